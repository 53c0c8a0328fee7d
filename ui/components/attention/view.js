// The whole: unpacks what Python sends, keeps selection, focus and pin, and tells the three drawings.
// Selection (layer, head) is shared with Python; focus and pin (tokens) live only here.

const NOTIFY_AFTER = 90; // ms: a held arrow key tells Python where it stopped, not every step
const KEEP_FLOATS = 6e6; // planes kept for going back without a trip

class View {
  constructor(root) {
    this.root = root;
    this.map = null;
    this.mode = "head";
    this.selection = { layer: 0, head: 0 };
    this.turn = -1; // counts the user's selections, to tell stale answers from new wishes
    this.planes = new Map();
    this.hovered = null;
    this.pinned = null;
    this.tip = this.find(".tip");
    this.live = this.find(".live");
    this.heads = new Heads(this);
    this.lines = new Lines(this);
    this.matrix = new Matrix(this);
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.pin(null);
    });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(root);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  get focus() {
    return this.hovered ?? this.pinned;
  }

  // ------------------------------------------------------------- from Python

  receive(bytes, setStateValue) {
    this.tell = setStateValue;
    const packet = unpack(bytes);
    const fresh = this.map === null || this.map.id !== packet.id;
    if (fresh) {
      this.map = packet;
      this.planes.clear();
      this.hovered = null;
      this.pinned = null;
    }
    for (const [key, plane] of packet.planes) this.keep(key, this.planes.get(key) ?? plane);
    const modeChanged = this.mode !== packet.mode;
    this.mode = packet.mode;
    if (packet.turn >= this.turn || fresh) {
      this.turn = Math.max(this.turn, packet.turn);
      this.selection = { layer: packet.layer, head: packet.head };
    }
    this.theme = readTheme(this.root, this.theme);
    this.inks = packet.inks[this.theme.dark ? "dark" : "light"];
    this.root.style.setProperty("--first", this.inks[0]);
    this.root.style.setProperty("--second", this.inks[1]);
    this.root.toggleAttribute("data-pair", this.map.segments.includes(1));
    if (fresh) {
      this.heads.load();
      this.lines.load();
    }
    if (fresh || modeChanged) this.live.textContent = "";
    this.heads.draw();
    this.show();
  }

  keep(key, plane) {
    this.planes.delete(key);
    this.planes.set(key, plane);
    let floats = 0;
    for (const each of this.planes.values()) floats += each.length;
    for (const [oldest, each] of this.planes) {
      if (floats <= KEEP_FLOATS || oldest === key) break;
      this.planes.delete(oldest);
      floats -= each.length;
    }
  }

  key() {
    const { layer, head } = this.selection;
    return this.mode === "head" ? `head:${layer}:${head}` : `${this.mode}:${layer}`;
  }

  // ------------------------------------------------------------- by the user

  choose(selection) {
    const same = selection.layer === this.selection.layer && selection.head === this.selection.head;
    if (same) return;
    this.selection = selection;
    this.turn += 1;
    this.heads.select();
    this.show();
    this.live.textContent = this.title();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell("head", { ...this.selection, turn: this.turn }), NOTIFY_AFTER);
  }

  focusOn(focus) {
    const same = JSON.stringify(focus) === JSON.stringify(this.hovered);
    this.hovered = focus;
    if (!same && this.plane) this.refocus();
  }

  pin(focus) {
    const again = JSON.stringify(focus) === JSON.stringify(this.pinned);
    this.pinned = again ? null : focus;
    if (focus === null) this.hovered = null;
    if (this.plane) this.refocus();
    if (this.pinned) this.live.textContent = this.inWords(this.pinned);
  }

  // ------------------------------------------------------------- drawing

  show() {
    const plane = this.planes.get(this.key());
    this.root.toggleAttribute("data-waiting", !plane);
    this.find(".lines .title").textContent = this.title();
    const notes = this.notes();
    this.find(".heads .note").textContent = notes.heads;
    this.find(".lines .note").textContent = notes.lines;
    this.find(".matrix .note").textContent = notes.matrix;
    this.find(".sides .left").textContent = notes.left;
    this.find(".sides .right").textContent = notes.right;
    if (!plane || (plane === this.plane && this.drawn === this.theme)) return;
    this.plane = plane;
    this.drawn = this.theme;
    this.top = scaleTop(plane);
    this.lines.draw();
    this.matrix.draw();
  }

  refocus() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.lines.mark();
      this.lines.paint();
      this.matrix.paint();
    });
  }

  resized() {
    const width = this.root.clientWidth;
    if (!this.map || width === this.width) return;
    this.width = width;
    this.drawn = null;
    this.heads.draw();
    this.show();
  }

  showTip(event, what, value) {
    this.tip.querySelector(".what").textContent = what;
    this.tip.querySelector(".value").textContent = value;
    this.tip.toggleAttribute("data-on", true);
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const left = Math.max(0, Math.min(x + 14, box.width - this.tip.offsetWidth));
    const top = y - this.tip.offsetHeight - 12;
    this.tip.style.transform = `translate(${left}px, ${top < 0 ? y + 18 : top}px)`;
  }

  hideTip() {
    this.tip.removeAttribute("data-on");
  }

  // ------------------------------------------------------------- words

  describe({ layer, head }) {
    if (this.mode !== "rollout" && layer === this.map.averaging) return `Layer ${layer + 1}: averages all tokens, learnt nothing`;
    if (this.mode === "average") return `Layer ${layer + 1}, average over ${this.map.heads} heads`;
    if (this.mode === "rollout") return layer === 0 ? "Rollout through layer 1" : `Rollout through layers 1 to ${layer + 1}`;
    return `Layer ${layer + 1}, head ${head + 1}`;
  }

  title() {
    return this.describe(this.selection);
  }

  notes() {
    if (this.mode === "rollout") {
      return {
        heads: "One square a head. Choose the last layer by click or arrow keys.",
        lines: "How much of each input token has reached each position.",
        matrix: "Position by row, input token by column. Each row sums to 1.",
        left: "position",
        right: "input token",
      };
    }
    return {
      heads: `One square a head. Choose ${this.mode === "head" ? "one" : "a layer"} by click or arrow keys.`,
      lines: "How much each token reads from every token.",
      matrix: "From by row, to by column. Each row sums to 1.",
      left: "from",
      right: "to",
    };
  }

  inWords({ from = null, to = null }) {
    const { tokens } = this.map;
    const count = tokens.length;
    if (from !== null && to !== null) {
      return `${tokens[from]} to ${tokens[to]}: ${figure(this.plane[from * count + to])}`;
    }
    const others = tokens.map((token, k) => [from !== null ? this.plane[from * count + k] : this.plane[k * count + to], token]);
    others.sort((a, b) => b[0] - a[0]);
    const most = others.slice(0, 3).map(([weight, token]) => `${token} ${figure(weight)}`);
    return `${from !== null ? "From" : "To"} ${tokens[from ?? to]}: most ${from !== null ? "to" : "from"} ${most.join(", ")}`;
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }
}

// One run of bytes: header length (uint32), header (JSON), thumbnails (uint8), planes (float32), each part
// beginning at a multiple of four. All little-endian.
function unpack(bytes) {
  const own = bytes.slice(); // aligned, and ours to keep
  const length = new DataView(own.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)));
  let at = 4 + Math.ceil(length / 4) * 4;
  const thumbs = own.subarray(at, at + header.thumb ** 2 * header.layers * header.heads);
  at += Math.ceil(thumbs.length / 4) * 4;
  const size = header.tokens.length ** 2;
  const planes = header.keys.map((key, k) => [key, new Float32Array(own.buffer, at + 4 * size * k, size)]);
  return { ...header, thumbs, planes };
}

const views = new WeakMap();

export default function render({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".attention");
  if (!root || !data) return undefined;
  let view = views.get(root);
  if (!view) {
    view = new View(root);
    views.set(root, view);
  }
  view.receive(data, setStateValue);
  return () => view.close();
}
