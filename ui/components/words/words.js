// Draws a text's words in the shades of their scores, row under row, and texts with their edits.
// Pointing at a word, or the arrow keys in a text, show its figures in every row.

const kept = new WeakMap() // root -> what was drawn last: { sign, controller }

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  if (!root || !data) return
  const dark = isDark(root)
  const sign = JSON.stringify([data, dark])
  const before = kept.get(root)
  if (before?.sign === sign) return // the same picture: nothing under the pointer is rebuilt
  before?.controller.abort()
  const controller = new AbortController()
  kept.set(root, { sign, controller })
  root.replaceChildren()
  if (data.kind === "edits") drawEdits(root, data)
  else drawScores(root, data, data.scales[dark ? "dark" : "light"], controller.signal)
}

function element(tag, className, text) {
  const node = document.createElement(tag)
  node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

function isDark(root) {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  context.fillStyle = getComputedStyle(root).getPropertyValue("--st-background-color").trim() || "#ffffff"
  context.fillRect(0, 0, 1, 1)
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data
  return 0.299 * r + 0.587 * g + 0.114 * b < 128
}

// ------------------------------------------------------------------ scores

function drawScores(root, data, scales, signal) {
  const tip = element("div", "tip")
  tip.hidden = true
  tip.setAttribute("role", "status")
  const shades = (row) => (row.signed ? scales.signed : scales.amount)
  for (const row of data.rows) {
    const block = element("div", "row")
    const head = element("div", "head")
    head.append(element("span", "title", row.title), element("span", "note", row.note))
    block.append(head)
    let number = 0
    for (const text of data.texts) {
      const box = textBox(row.spoken || row.title)
      text.words.forEach((word, at) => {
        box.append(document.createTextNode(text.gaps[at]))
        const node = element("span", "word", word)
        const [paper, ink] = shades(row)[row.steps[number] + (row.signed ? data.zero : 0)]
        node.style.background = paper
        node.style.color = ink
        node.dataset.number = number
        box.append(node)
        number += 1
      })
      box.append(tailOf(text))
      block.append(box)
    }
    root.append(block)
  }
  root.append(legend(data, scales), tip)
  listen(root, data, tip, signal)
}

function textBox(spoken) {
  const box = element("p", "text")
  box.dir = "auto"
  box.tabIndex = 0
  box.setAttribute("aria-label", spoken)
  return box
}

function tailOf(text) {
  return text.unread ? element("span", "unread", text.tail) : document.createTextNode(text.tail)
}

function legend(data, scales) {
  const box = element("div", "legend")
  if (data.legend && data.rows.some((row) => row.signed)) {
    box.append(scale(scales.signed, data.legend[0], data.legend[1]))
  }
  if (data.rows.some((row) => !row.signed)) box.append(scale(scales.amount, "little", "much of it is read"))
  return box
}

function scale(shades, low, high) {
  const box = element("span", "scale")
  const strip = element("span", "shades")
  strip.setAttribute("aria-hidden", "true")
  for (const [paper] of shades) {
    const node = element("span", "shade")
    node.style.background = paper
    strip.append(node)
  }
  box.append(element("span", "", low), strip, element("span", "", high))
  return box
}

// ------------------------------------------------------------------ pointing

function listen(root, data, tip, signal) {
  const names = data.texts.flatMap((text) => text.words)
  const show = (node) => {
    const number = Number(node.dataset.number)
    for (const word of root.querySelectorAll(".word.same")) word.classList.remove("same")
    for (const word of root.querySelectorAll(`.word[data-number="${number}"]`)) word.classList.add("same")
    fill(tip, names[number], data.rows, number)
    place(tip, node, root)
  }
  const hide = () => {
    tip.hidden = true
    for (const word of root.querySelectorAll(".word.same")) word.classList.remove("same")
  }
  root.addEventListener("pointerover", (event) => {
    const node = event.target.closest(".word")
    if (node) show(node)
    else hide()
  }, { signal })
  root.addEventListener("pointerleave", hide, { signal })
  root.addEventListener("focusout", hide, { signal })
  root.addEventListener("keydown", (event) => {
    const box = event.target.closest(".text")
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (event.key === "Escape") hide()
    if (!box || !step) return
    event.preventDefault()
    const words = [...box.querySelectorAll(".word")]
    const turned = getComputedStyle(box).direction === "rtl" ? -step : step
    const now = words.findIndex((word) => word.classList.contains("same"))
    const next = words[now < 0 ? 0 : Math.min(words.length - 1, Math.max(0, now + turned))]
    if (!next) return
    next.scrollIntoView({ block: "nearest" })
    show(next)
  }, { signal })
}

function fill(tip, name, rows, number) {
  const title = element("div", "name", name)
  title.dir = "auto"
  tip.replaceChildren(title, ...rows.map((row) => {
    const line = element("div", "line")
    line.append(element("span", "", row.title), element("span", "figure", row.figures[number]))
    return line
  }))
  tip.hidden = false
}

// Below the word, or above it where there is no room; never beyond the right edge.
function place(tip, node, root) {
  const outer = root.getBoundingClientRect()
  const word = node.getClientRects()[0] ?? node.getBoundingClientRect()
  const left = Math.min(word.left - outer.left, outer.width - tip.offsetWidth)
  const below = word.bottom - outer.top + 6
  const above = word.top - outer.top - tip.offsetHeight - 6
  const fits = word.bottom + 6 + tip.offsetHeight < window.innerHeight && below + tip.offsetHeight < outer.height
  tip.style.left = `${Math.max(0, left)}px`
  tip.style.top = `${fits || above < 0 ? below : above}px`
}

// ------------------------------------------------------------------ edits

function drawEdits(root, data) {
  for (const edits of data.edits) {
    const block = element("div", "row")
    let number = 0
    for (const text of data.texts) {
      const box = element("p", "text")
      box.dir = "auto"
      text.words.forEach((word, at) => {
        box.append(document.createTextNode(text.gaps[at]))
        const changed = edits[number]
        if (changed === undefined) box.append(document.createTextNode(word))
        else {
          box.append(element("del", "out", word))
          if (changed) box.append(document.createTextNode("\u00a0"), element("ins", "in", changed))
        }
        number += 1
      })
      box.append(tailOf(text))
      block.append(box)
    }
    root.append(block)
  }
}
