// Query and key of one head. One token reads (its query), all are read (their keys): each row shows the key, the
// product with the query, dimension by dimension, the score and the weight. Hovering looks, a click keeps.

const ROW = 22
const FAR = -1e8 // a score below it stands for "not looked at"
const TALLEST = 620 // pixels of rows above which the panel scrolls by itself

class Neuron {
  constructor(root) {
    this.root = root
    this.find = (selector) => root.querySelector(selector)
    this.canvas = this.find(".sheet canvas")
    this.scroller = this.find(".scroller")
    this.bars = this.find(".bars canvas")
    this.tip = this.find(".tip")
    this.looked = {} // under the pointer: reader, read, dimension
    this.kept = { reader: 0, read: null }
    for (const side of ["from", "to"]) {
      const column = this.find(`.names.${side}`)
      const name = side === "from" ? "reader" : "read"
      const at = (event) => event.target.closest(".name")?.dataset.at
      const look = (event) => at(event) !== undefined && this.look({ [name]: Number(at(event)) })
      column.addEventListener("pointerover", look)
      column.addEventListener("focusin", look)
      column.addEventListener("pointerleave", () => this.look({}))
      column.addEventListener("focusout", () => this.look({}))
      column.addEventListener("click", (event) => at(event) !== undefined && this.keep({ [name]: Number(at(event)) }))
      column.addEventListener("keydown", (event) => this.step(event, side))
    }
    this.canvas.addEventListener("pointermove", (event) => this.point(event))
    this.canvas.addEventListener("pointerleave", () => this.look({}))
    this.canvas.addEventListener("click", () => this.keep(this.looked))
    this.bars.addEventListener("pointermove", (event) => this.pointBar(event))
    this.bars.addEventListener("pointerleave", () => this.look({}))
    this.scroller.addEventListener("scroll", () => this.paint(), { passive: true })
    this.observer = new ResizeObserver(() => this.resized())
    this.observer.observe(root)
  }

  receive(bytes, tell) {
    this.tell = tell
    const packet = unpackNeuron(bytes)
    const fresh = !this.map || this.map.sign !== packet.sign
    this.map = packet
    this.tops = [reach(packet.query), reach(packet.key)]
    this.tops.push(this.tops[0] * this.tops[1] * 0.4)
    if (fresh || packet.reader !== this.sent) {
      this.kept = { reader: packet.reader, read: fresh ? null : this.kept.read }
      this.sent = packet.reader
    }
    if (fresh) this.load()
    this.find(".title").textContent = packet.title
    this.find(":scope > .note").textContent =
      `Each token has a query and a key of ${packet.size} numbers. Multiplied dimension by dimension and added up${divided(packet.scale)}, ` +
      `they make the score; softmax turns a row's scores into weights. Point at a token on the left to see what it reads; click to keep it.`
    this.looked = {}
    this.draw()
  }

  load() {
    const sides = { from: this.map.rows, to: this.map.columns }
    const make = (side) => (token, k) => {
      const button = element("button", "name")
      button.type = "button"
      button.dataset.at = k
      button.tabIndex = k === 0 ? 0 : -1
      if (sides[side].special[k]) button.dataset.special = ""
      button.title = token
      button.append(element("bdi", "", token))
      if (side === "to") {
        const weight = element("span", "weight")
        weight.append(element("span"))
        button.append(element("span", "score"), weight)
      }
      button.setAttribute("aria-label", `${side === "from" ? "From" : "To"} token ${k + 1}: ${token}`)
      return button
    }
    for (const side of ["from", "to"]) this.find(`.names.${side}`).replaceChildren(...sides[side].tokens.map(make(side)))
    this.nodes = { from: [...this.find(".names.from").children], to: [...this.find(".names.to").children] }
    const tall = ROW * Math.max(sides.from.tokens.length, sides.to.tokens.length)
    this.scroller.toggleAttribute("data-scrolls", tall > TALLEST)
    this.height = Math.min(tall, TALLEST)
  }

  // ------------------------------------------------------------- who is looked at

  get reader() {
    return this.looked.reader ?? this.kept.reader
  }

  // The token that is read: pointed at, kept, or the one that this reader reads most.
  get read() {
    if (this.looked.read !== undefined) return this.looked.read
    if (this.kept.read !== null && Number.isFinite(this.score(this.reader, this.kept.read))) return this.kept.read
    return this.weights.reduce((best, w, k) => (w > this.weights[best] ? k : best), 0)
  }

  look(found) {
    if (JSON.stringify(found) === JSON.stringify(this.looked)) return
    this.looked = found
    if (found.dimension === undefined) this.tip.removeAttribute("data-on")
    cancelAnimationFrame(this.frame)
    this.frame = requestAnimationFrame(() => this.draw())
  }

  keep({ reader = this.kept.reader, read }) {
    const other = reader !== this.kept.reader
    this.kept = { reader, read: other ? null : read ?? null }
    if (other) {
      this.sent = reader
      this.tell("reader", reader)
    }
    this.draw()
    this.find(".live").textContent = this.find(".sum h4").textContent
  }

  step(event, side) {
    const at = Number(event.target.closest(".name").dataset.at)
    const other = side === "from" ? "to" : "from"
    const next = { ArrowDown: [side, at + 1], ArrowUp: [side, at - 1], ArrowLeft: ["from", at], ArrowRight: ["to", at] }[event.key]
    const node = next && this.nodes[next[0]][next[1]]
    if (!node) return
    event.preventDefault()
    for (const each of [...this.nodes[side], ...this.nodes[other]]) each.tabIndex = -1
    for (const each of ["from", "to"]) this.nodes[each][Math.min(Number(node.dataset.at), this.nodes[each].length - 1)].tabIndex = 0
    node.focus()
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect()
    const row = Math.floor((event.clientY - box.top + this.scroller.scrollTop) / ROW)
    const x = event.clientX - box.left
    const strip = this.places.findIndex((place) => x >= place.left && x < place.left + place.width)
    const side = strip === 0 ? this.map.rows : this.map.columns
    if (strip < 0 || row < 0 || row >= side.tokens.length) return this.look({})
    const dimension = Math.floor(((x - this.places[strip].left) / this.places[strip].width) * this.map.size)
    this.look(strip === 0 ? { reader: row, dimension } : { read: row, dimension })
    return this.showTip(event, dimension, strip === 0 ? row : this.reader, strip === 0 ? null : row)
  }

  pointBar(event) {
    const box = this.bars.getBoundingClientRect()
    const dimension = Math.min(this.map.size - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * this.map.size)))
    this.look({ dimension })
    this.showTip(event, dimension, this.reader, this.read)
  }

  showTip(event, dimension, reader, read) {
    const q = this.row(this.map.query, reader)[dimension]
    const k = read === null ? null : this.row(this.map.key, read)[dimension]
    const name = `dimension ${dimension + 1}: query of ${this.map.rows.tokens[reader]} ${signed(q)}`
    this.tip.textContent = k === null ? name : `${name}\nkey of ${this.map.columns.tokens[read]} ${signed(k)}, product ${signed(q * k)}`
    this.tip.toggleAttribute("data-on", true)
    const box = this.root.getBoundingClientRect()
    const left = Math.max(0, Math.min(event.clientX - box.left + 14, box.width - this.tip.offsetWidth))
    this.tip.style.transform = `translate(${left}px, ${event.clientY - box.top + 16}px)`
  }

  // ------------------------------------------------------------- numbers

  row(array, at) {
    return array.subarray(at * this.map.size, (at + 1) * this.map.size)
  }

  score(reader, read) {
    return this.map.scores[reader * this.map.columns.tokens.length + read]
  }

  get weights() {
    if (this.weighted?.reader === this.reader && this.weighted.map === this.map) return this.weighted.row
    const count = this.map.columns.tokens.length
    const scores = this.map.scores.subarray(this.reader * count, (this.reader + 1) * count)
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity)
    const row = Float64Array.from(scores, (s) => Math.exp(s - most))
    const total = row.reduce((a, b) => a + b, 0)
    this.weighted = { reader: this.reader, map: this.map, row: row.map((w) => w / total) }
    return this.weighted.row
  }

  product(read) {
    const [q, k] = [this.row(this.map.query, this.reader), this.row(this.map.key, read)]
    return Array.from(q, (value, d) => value * k[d])
  }

  // ------------------------------------------------------------- drawing

  draw() {
    if (!this.map) return
    this.mark()
    this.paint()
    this.sum()
  }

  mark() {
    const weights = this.weights
    const top = Math.max(0.2, ...weights)
    this.nodes.from.forEach((node, k) => {
      node.toggleAttribute("data-on", k === this.reader)
      node.setAttribute("aria-pressed", String(k === this.kept.reader))
    })
    this.nodes.to.forEach((node, k) => {
      node.toggleAttribute("data-on", k === this.read)
      node.setAttribute("aria-pressed", String(k === this.kept.read))
      node.querySelector(".score").textContent = signed(this.score(this.reader, k))
      const weight = node.querySelector(".weight")
      weight.style.setProperty("--share", weights[k] / top)
      weight.firstChild.textContent = figure(weights[k])
    })
  }

  paint() {
    if (!this.map) return
    const width = this.find(".sheet").clientWidth
    if (!width) return
    this.ramp = divergingRamp(this.root)
    this.places = stripPlaces(width)
    const context = sized(this.canvas, width, this.height)
    const from = Math.floor(this.scroller.scrollTop / ROW)
    const to = Math.ceil((this.scroller.scrollTop + this.height) / ROW)
    const [rows, columns] = [this.map.rows.tokens.length, this.map.columns.tokens.length]
    for (let k = from; k < to; k += 1) {
      const y = k * ROW - this.scroller.scrollTop
      context.globalAlpha = k === this.reader ? 1 : 0.4
      if (k < rows) paintStrip(context, this.row(this.map.query, k), this.places[0], 3, y, ROW, this.ramp, this.tops[0])
      if (k >= columns) continue
      context.globalAlpha = Number.isFinite(this.score(this.reader, k)) ? 1 : 0.2
      paintStrip(context, this.row(this.map.key, k), this.places[1], 3, y, ROW, this.ramp, this.tops[1])
      paintStrip(context, this.product(k), this.places[2], 3, y, ROW, this.ramp, this.tops[2])
    }
    context.globalAlpha = 1
    this.outline(context)
    this.legend()
  }

  // The row that is read, the query it is multiplied with, and the dimension pointed at.
  outline(context) {
    context.strokeStyle = getComputedStyle(this.root).getPropertyValue("--st-primary-color")
    context.lineWidth = 1.5
    const frame = (place, row) => context.strokeRect(place.left + 0.5, row * ROW - this.scroller.scrollTop + 1.5, place.width - 1, ROW - 3)
    frame(this.places[0], this.reader)
    frame(this.places[1], this.read)
    frame(this.places[2], this.read)
    if (this.looked.dimension === undefined) return
    context.strokeStyle = getComputedStyle(this.root).color
    context.lineWidth = 1
    for (const place of this.places) {
      const cell = place.width / this.map.size
      context.strokeRect(place.left + this.looked.dimension * cell, 0.5, cell, this.height - 1)
    }
  }

  legend() {
    const canvas = this.find(".legend canvas")
    const context = sized(canvas, 120, 8)
    for (let x = 0; x < 120; x += 1) {
      context.fillStyle = css(this.ramp[Math.round((x / 119) * 254)])
      context.fillRect(x, 0, 1.5, 8)
    }
    const [q, k, p] = this.tops.map((top) => `±${top.toFixed(1)}`)
    this.find(".legend .ends").textContent = `blue below zero, orange above; full colour at ${q} in queries, ${k} in keys, ${p} in products`
  }

  sum() {
    const { scale } = this.map
    const [reader, read] = [this.reader, this.read]
    const [from, to] = [this.map.rows.tokens[reader], this.map.columns.tokens[read]]
    const values = this.product(read)
    const ink = getComputedStyle(this.root).color
    const total = values.reduce((a, b) => a + b, 0)
    const added = this.score(reader, read) - total * scale
    const more = Math.abs(added) > 5e-3 ? `, ${Number.isFinite(added) ? `${signed(added)} added by the model` : "masked: it may not be read"}` : ""
    const most = values.map((value, d) => [value, d]).sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 5)
    this.find(".sum h4").textContent = `From ${from} to ${to}: score ${signed(this.score(reader, read))}, weight ${figure(this.weights[read])}`
    this.find(".sum .note").textContent =
      `Sum of the products ${signed(total)}${divided(scale)}${more}. ` +
      `The largest: ${most.map(([value, d]) => `dimension ${d + 1} (${signed(value)})`).join(", ")}.`
    const width = this.find(".bars").clientWidth
    if (!width) return
    paintBars(this.bars, values, width, this.ramp, ink, this.looked.dimension ?? null)
    this.bars.setAttribute("aria-label", `Products of ${from} and ${to} in ${values.length} dimensions`)
  }

  resized() {
    if (this.root.clientWidth === this.width) return
    this.width = this.root.clientWidth
    this.draw()
  }

  close() {
    this.observer.disconnect()
    cancelAnimationFrame(this.frame)
  }
}

function unpackNeuron(bytes) {
  const own = bytes.slice() // aligned, and ours to keep
  const length = new DataView(own.buffer).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)))
  const [rows, columns] = [header.rows.tokens.length, header.columns.tokens.length]
  const at = 4 + length
  const floats = (offset, size) => new Float32Array(own.buffer, at + 4 * offset, size)
  const query = floats(0, rows * header.size)
  const key = floats(query.length, columns * header.size)
  const scores = floats(query.length + key.length, rows * columns)
  scores.forEach((score, k) => score < FAR && (scores[k] = -Infinity))
  return { ...header, sign: JSON.stringify([header.rows, header.columns]), query, key, scores }
}

const neurons = new WeakMap()

export default function render({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".neuron")
  if (!root || !data) return undefined
  let view = neurons.get(root)
  if (!view) {
    view = new Neuron(root)
    neurons.set(root, view)
  }
  view.receive(data, setStateValue)
  return () => view.close()
}
