// The map: moving, zooming, hovering, selecting. Every word that a user wrote goes through textContent.

const HOVER_PIXELS = 9;
const DWELL = 70; // milliseconds on a point before its text is fetched
const KEPT_TEXTS = 400;
const STEP = 48; // pixels that an arrow key moves

const count = (n, noun = "text") => `${n.toLocaleString("en")} ${n === 1 ? noun : `${noun}s`}`;

class View {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    Object.assign(this, { root, stage: find(".stage"), over: find(".over"), tip: find(".tip"), live: find(".live") });
    this.legend = find(".legend ul");
    this.raster = new Raster(find(".points"));
    this.pen = this.over.getContext("2d");
    this.mode = "move";
    this.view = null; // k: pixels per unit; x, y: where the origin is
    this.hovered = -1;
    this.pinned = false;
    this.focus = -1; // entry of the palette that alone is shown
    this.selected = new Uint8Array(0);
    this.outline = null; // of the selection, in data coordinates
    this.pointers = new Map();
    this.texts = new Map(); // row -> text
    this.turn = -1;
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
  }

  // ------------------------------------------------------------- what Python sends

  receive(data, send) {
    this.send = send;
    const packet = unpack(data);
    const same = this.packet && this.packet.version === packet.version;
    this.packet = packet;
    if (!same) {
      this.places = new Places(packet.xy);
      this.outline = null; // it was drawn on another sheet; what is selected stays
      this.texts.clear();
      this.hover(-1);
      this.view = null;
    }
    if (this.focus >= packet.palette.length || packet.colored !== this.colored) this.focus = -1;
    this.colored = packet.colored;
    if (packet.turn >= this.turn || this.selected.length !== packet.rows.length) {
      this.turn = packet.turn; // Python has heard our last selection: its word counts
      this.selected = packet.chosen.slice();
      if (!this.selected.includes(1)) this.outline = null;
    }
    this.quiet = Uint8Array.from(packet.palette, (entry) => (entry.color ? 0 : 1));
    this.write();
    this.resize();
  }

  write() {
    const { palette, title, summary, name } = this.packet;
    this.root.querySelector("#map-summary").textContent = summary;
    this.stage.setAttribute("aria-label", name);
    this.root.querySelector(".legend .title").textContent = title;
    this.legend.replaceChildren(
      ...palette.map((entry, at) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.title = entry.name;
        button.setAttribute("aria-pressed", String(at === this.focus));
        const [dot, name, number] = ["i", "span", "span"].map((tag) => document.createElement(tag));
        dot.className = "dot";
        dot.style.background = entry.color || "color-mix(in srgb, var(--st-text-color) 34%, var(--st-background-color))";
        name.className = "name";
        name.dir = "auto";
        name.textContent = entry.name;
        number.className = "count";
        button.append(dot, name, number);
        button.addEventListener("click", () => this.focusOn(at === this.focus ? -1 : at));
        item.append(button);
        return item;
      }),
    );
  }

  focusOn(at) {
    this.focus = at;
    [...this.legend.querySelectorAll("button")].forEach((button, k) => button.setAttribute("aria-pressed", String(k === at)));
    this.say(at < 0 ? "All texts are shown." : `Only ${this.packet.palette[at].name} is shown, ${count(this.packet.palette[at].count)}.`);
    this.arrange();
  }

  // Which points are lit, and in which order they are drawn: quiet ones lowest, selected ones highest.
  arrange() {
    const { rows, hues, palette } = this.packet;
    const anything = this.selected.includes(1);
    const counts = palette.map(() => 0);
    this.lit = new Uint8Array(rows.length);
    const level = new Uint8Array(rows.length);
    for (let i = 0; i < rows.length; i += 1) {
      const on = this.focus < 0 || hues[i] === this.focus;
      this.lit[i] = on && (!anything || this.selected[i]) ? 1 : 0;
      level[i] = this.lit[i] * 2 + (this.quiet[hues[i]] ? 0 : 1);
      if (this.selected[i]) counts[hues[i]] += 1;
    }
    this.order = new Uint32Array(rows.length);
    let at = 0;
    for (let l = 0; l < 4; l += 1) {
      for (let i = 0; i < rows.length; i += 1) {
        if (level[i] === l) this.order[at++] = i;
      }
    }
    [...this.legend.querySelectorAll(".count")].forEach((node, k) => {
      const all = palette[k].count.toLocaleString("en");
      node.textContent = anything ? `${counts[k].toLocaleString("en")} of ${all}` : all;
    });
    const selected = this.selected.reduce((sum, one) => sum + one, 0);
    this.root.querySelector("[data-do=clear]").hidden = !selected;
    this.root.querySelector(".said").textContent = selected ? `${count(selected)} selected` : count(rows.length);
    this.paint();
  }

  // ------------------------------------------------------------- drawing

  resize() {
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    if (!this.packet || !width || !height) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (width !== this.width || height !== this.height || ratio !== this.ratio) {
      Object.assign(this, { width, height, ratio });
      this.raster.resize(width, height, ratio);
      this.over.width = Math.round(width * ratio);
      this.over.height = Math.round(height * ratio);
    }
    if (!this.view) this.fit();
    const look = getComputedStyle(this.root);
    this.ink = look.getPropertyValue("--st-text-color").trim();
    this.accent = look.getPropertyValue("--st-primary-color").trim();
    this.raster.palette(this.packet.palette, look.getPropertyValue("--st-background-color").trim(), this.ink);
    this.arrange();
  }

  fit() {
    const { left, right, low, high } = this.places;
    const [wide, tall] = [Math.max(right - left, 1e-3), Math.max(high - low, 1e-3)];
    const k = Math.min((this.width - 32) / wide, (this.height - 32) / tall);
    this.view = { k, x: this.width / 2 - (k * (left + right)) / 2, y: this.height / 2 + (k * (low + high)) / 2 };
    this.whole = k;
  }

  // Grows with the zoom, slower than the space between points, and with the room that each point has.
  radius() {
    const room = Math.sqrt((this.width * this.height) / Math.max(1, this.places.count));
    const base = Math.min(4.5, Math.max(1.5, 0.18 * room));
    return Math.min(6.5, base * Math.max(1, this.view.k / this.whole) ** 0.35);
  }

  paint() {
    this.dirty = true;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.dirty) this.raster.draw({ ...this.packet, order: this.order, lit: this.lit, quiet: this.quiet }, this.view, this.radius());
      this.dirty = false;
      this.drawOver();
    });
  }

  // The outline and the ring around the hovered point lie above the points and cost nothing.
  sketch() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.dirty) return this.paint();
      return this.drawOver();
    });
  }

  drawOver() {
    const { pen, ratio } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const outline = this.box ? boxOutline(this.box) : (this.drawn ?? this.outline);
    if (outline && outline.length > 2) {
      pen.beginPath();
      for (let c = 0; c < outline.length; c += 2) pen.lineTo(...this.onScreen(outline[c], outline[c + 1]));
      pen.closePath();
      pen.globalAlpha = 0.1;
      pen.fillStyle = this.accent;
      pen.fill();
      pen.globalAlpha = 1;
      pen.lineWidth = 1.5;
      pen.setLineDash(this.box || this.drawn ? [5, 4] : []);
      pen.strokeStyle = this.accent;
      pen.stroke();
      pen.setLineDash([]);
    }
    if (this.hovered >= 0) {
      pen.beginPath();
      pen.arc(...this.pointAt(this.hovered), this.radius() + 3, 0, 2 * Math.PI);
      pen.lineWidth = 2;
      pen.strokeStyle = this.ink;
      pen.stroke();
    }
  }

  onScreen(x, y) {
    return [x * this.view.k + this.view.x, this.view.y - y * this.view.k];
  }

  pointAt(i) {
    return this.onScreen(this.packet.xy[2 * i], this.packet.xy[2 * i + 1]);
  }

  inData(px, py) {
    return [(px - this.view.x) / this.view.k, (this.view.y - py) / this.view.k];
  }

  // ------------------------------------------------------------- moving

  move(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.follow();
    this.paint();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const k = Math.min(this.whole * 400, Math.max(this.whole * 0.5, this.view.k * factor));
    const [x, y] = this.inData(px, py);
    this.view = { k, x: px - x * k, y: py + y * k };
    this.follow();
    this.paint();
  }

  // ------------------------------------------------------------- selecting

  shown(i) {
    return this.focus < 0 || this.packet.hues[i] === this.focus;
  }

  select(outline) {
    const found = outline ? this.places.inside(outline, (i) => this.shown(i)) : [];
    this.outline = found.length ? outline : null;
    this.selected = new Uint8Array(this.packet.rows.length);
    for (const i of found) this.selected[i] = 1;
    this.turn += 1;
    this.send("selection", { turn: this.turn, version: this.packet.version, rows: found.map((i) => this.packet.rows[i]) });
    this.say(outline ? `${count(found.length)} selected.` : "Nothing is selected.");
    this.arrange();
  }

  setMode(mode) {
    this.mode = mode;
    this.stage.dataset.mode = mode;
    for (const button of this.root.querySelectorAll("[data-mode]")) {
      if (button !== this.stage) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    this.drawn = null;
    this.box = null;
    this.hover(-1);
  }

  // A rectangle in the middle of what is seen, for the keyboard.
  layBox() {
    const [left, high] = this.inData(0.3 * this.width, 0.3 * this.height);
    const [right, low] = this.inData(0.7 * this.width, 0.7 * this.height);
    this.box = { left, right, low, high };
    this.sayBox();
  }

  // Moved by whole pixels; with `grow` its right and lower sides alone.
  shiftBox(dx, dy, grow) {
    const [x, y] = [dx / this.view.k, -dy / this.view.k];
    const box = this.box;
    box.right += x;
    box.low += y;
    if (!grow) {
      box.left += x;
      box.high += y;
    }
    const least = 8 / this.view.k;
    box.right = Math.max(box.right, box.left + least);
    box.low = Math.min(box.low, box.high - least);
    this.sayBox();
  }

  sayBox() {
    const found = this.places.inside(boxOutline(this.box), (i) => this.shown(i)).length;
    this.root.querySelector(".said").textContent = `${count(found)} inside`;
    this.say(`${count(found)} inside the rectangle.`);
    this.sketch();
  }

  // ------------------------------------------------------------- hovering

  hover(i) {
    if (i === this.hovered) return;
    this.hovered = i;
    this.pinned = false;
    this.tip.removeAttribute("data-pinned");
    clearTimeout(this.dwell);
    this.tip.hidden = i < 0;
    if (this.packet) this.sketch();
    if (i < 0) return;
    const entry = this.packet.palette[this.packet.hues[i]];
    this.tip.querySelector(".name").textContent = `${entry.name} · row ${(this.packet.rows[i] + 1).toLocaleString("en")}`;
    this.tip.querySelector(".dot").style.background = entry.color || "color-mix(in srgb, currentColor 40%, transparent)";
    this.showText(this.texts.get(this.packet.rows[i]) ?? "…");
    if (!this.texts.has(this.packet.rows[i])) this.dwell = setTimeout(() => this.fetchText(i), DWELL);
  }

  async fetchText(i) {
    const row = this.packet.rows[i];
    let text = "The text could not be fetched. Is the server still there?";
    try {
      const answer = await fetch(this.packet.address, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ticket: this.packet.ticket, rows: [row] }),
      });
      const said = await answer.json();
      text = answer.ok ? said.texts[0].text : (said.fault ?? text);
      if (answer.ok) {
        if (this.texts.size >= KEPT_TEXTS) this.texts.delete(this.texts.keys().next().value);
        this.texts.set(row, text);
      }
    } catch {
      // the sentence above says it
    }
    if (this.hovered === i) this.showText(text);
  }

  showText(text) {
    const node = this.tip.querySelector(".text");
    node.textContent = text;
    node.scrollTop = 0;
    this.tip.toggleAttribute("data-cut", node.scrollHeight > node.clientHeight + 1);
    this.follow();
  }

  // The tip keeps to its point, beside it and inside the component.
  follow() {
    if (this.hovered < 0) return;
    const [px, py] = this.pointAt(this.hovered);
    const [left, top] = [this.stage.offsetLeft, this.stage.offsetTop];
    const [wide, tall] = [this.tip.offsetWidth, this.tip.offsetHeight];
    const x = Math.max(0, Math.min(left + px + 14, this.root.clientWidth - wide));
    const above = top + py - tall - 14;
    const y = above < 0 ? top + py + 16 : above;
    this.tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  pin() {
    this.pinned = this.hovered >= 0;
    this.tip.toggleAttribute("data-pinned", this.pinned);
    if (this.pinned) this.say(this.tip.querySelector(".text").textContent);
  }

  say(words) {
    this.live.textContent = words;
  }

  // ------------------------------------------------------------- pointer and keys

  listen() {
    const on = (kind, act, options) => this.stage.addEventListener(kind, act, options);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.moved(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.up(event));
    on("pointerleave", () => this.pinned || this.pointers.size || this.hover(-1));
    on("dblclick", (event) => this.mode === "move" && this.zoom(1.8, ...this.at(event)));
    on(
      "wheel",
      (event) => {
        // the page scrolls past the map until the map was clicked once
        if (!event.ctrlKey && this.root.getRootNode().activeElement !== this.stage) return;
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...this.at(event));
      },
      { passive: false },
    );
    on("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest(".bar button");
      if (button?.dataset.mode) {
        this.setMode(button.dataset.mode);
        this.stage.focus({ preventScroll: true });
        if (button.dataset.mode === "box" && event.detail === 0) this.layBox(); // pressed by key
      } else if (button?.dataset.do) this.act(button.dataset.do);
    });
  }

  act(what) {
    if (what === "in") this.zoom(1.5);
    else if (what === "out") this.zoom(1 / 1.5);
    else if (what === "clear") this.select(null);
    else {
      this.fit();
      this.follow();
      this.paint();
    }
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button > 0 || !this.packet) return;
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    const [px, py] = this.at(event);
    this.pointers.set(event.pointerId, [px, py]);
    this.travelled = 0;
    if (this.pointers.size > 1) {
      this.drawn = null; // a second finger: it is a pinch
      return;
    }
    this.box = null;
    this.gesture = event.shiftKey && this.mode === "move" ? "lasso" : this.mode;
    this.from = this.inData(px, py);
    if (this.gesture !== "move") this.drawn = [...this.from];
  }

  moved(event) {
    if (!this.packet) return;
    const [px, py] = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (!this.pinned) this.hover(this.places.nearest(...this.inData(px, py), HOVER_PIXELS / this.view.k, (i) => this.shown(i)));
      return;
    }
    const [dx, dy] = [px - before[0], py - before[1]];
    this.travelled += Math.abs(dx) + Math.abs(dy);
    if (this.pointers.size > 1) this.pinch(event.pointerId, before, [px, py]);
    else if (this.gesture === "move") {
      this.stage.toggleAttribute("data-moving", true);
      this.move(dx, dy);
    } else if (this.gesture === "lasso") {
      if (Math.hypot(dx, dy) < 3) return; // the last corner stays where it is
      this.drawn.push(...this.inData(px, py));
      this.sketch();
    } else {
      const [x, y] = this.inData(px, py);
      this.drawn = [...this.from, x, this.from[1], x, y, this.from[0], y];
      this.sketch();
    }
    this.pointers.set(event.pointerId, [px, py]);
  }

  pinch(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const far = (one) => Math.max(8, Math.hypot(one[0] - other[0], one[1] - other[1]));
    this.move((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.zoom(far(now) / far(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.stage.removeAttribute("data-moving");
    const outline = this.drawn;
    this.drawn = null;
    if (this.pointers.size) return;
    if (event.type === "pointerup" && this.travelled < 4) {
      const near = this.places.nearest(...this.inData(...this.at(event)), HOVER_PIXELS / this.view.k, (i) => this.shown(i));
      this.pinned = false;
      this.hover(near);
      this.pin();
    } else if (event.type === "pointerup" && outline && outline.length >= 6) this.select(outline);
    this.sketch();
  }

  key(event) {
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "0")) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    const plain = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
    const mode = { m: "move", l: "lasso", r: "box" }[event.key.toLowerCase()];
    if (arrow && this.box) this.shiftBox(arrow[0] * 16, arrow[1] * 16, event.shiftKey);
    else if (arrow) this.move(-arrow[0] * STEP, -arrow[1] * STEP);
    else if (plain) this.act(plain);
    else if (mode) {
      this.setMode(mode);
      if (mode === "box") this.layBox();
    } else if (event.key === "Enter" && this.box) {
      const outline = boxOutline(this.box);
      this.box = null;
      this.select(outline);
    } else if (event.key === "Escape") this.escape();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The newest thing first: a drawn outline, a pinned text, the selection.
  escape() {
    if (this.box || this.drawn) {
      this.box = null;
      this.drawn = null;
      this.arrange();
    } else if (this.hovered >= 0) this.hover(-1);
    else if (this.selected.includes(1)) this.select(null);
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.dwell);
    cancelAnimationFrame(this.frame);
  }
}

function boxOutline({ left, right, low, high }) {
  return [left, high, right, high, right, low, left, low];
}

// Header length (uint32), header (JSON), then xy (float32), rows (uint32), hues (uint16), chosen (uint8), each part
// beginning at a multiple of four. All little-endian.
function unpack(bytes) {
  const own = bytes.slice(); // aligned, and ours to keep
  const length = new DataView(own.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)));
  let at = 4 + Math.ceil(length / 4) * 4;
  const part = (kind, items) => {
    const found = new kind(own.buffer, at, items);
    at += Math.ceil(found.byteLength / 4) * 4;
    return found;
  };
  const { points } = header;
  return {
    ...header,
    xy: part(Float32Array, 2 * points),
    rows: part(Uint32Array, points),
    hues: part(Uint16Array, points),
    chosen: part(Uint8Array, points),
  };
}

const views = new WeakMap();

export default function render({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  if (!root || !data) return undefined;
  let view = views.get(root);
  if (!view) {
    view = new View(root);
    views.set(root, view);
  }
  view.receive(data, setTriggerValue);
  return () => view.close();
}
