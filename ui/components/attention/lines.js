// Weights as lines: tokens left (what reads), tokens right (what is read), a line for each weight, in the colour
// of its text, its head, or its sign. A token under the pointer, in focus or pinned keeps only its own lines,
// with the figures beside the tokens. The lines themselves are drawn by wires.js.

const SCROLL_FROM = 1040; // pixels of tokens above which the panel scrolls by itself
const MARK_ALL = 160; // tokens: up to here all are marked, above only those in sight

class Lines {
  constructor(view) {
    this.view = view;
    this.scroller = view.find(".scroller");
    this.canvas = view.find(".wires canvas");
    this.column = view.find(".wires");
    this.columns = { from: view.find(".tokens.from"), to: view.find(".tokens.to") };
    this.columns.from.setAttribute("aria-label", "From");
    this.columns.to.setAttribute("aria-label", "To");
    this.foot = view.find(".lines .foot");
    this.wires = new Wires(this);
    this.marked = new Set();
    for (const side of ["from", "to"]) {
      const column = this.columns[side];
      column.addEventListener("pointerover", (event) => this.enter(event, side));
      column.addEventListener("pointerleave", () => view.focusOn(null));
      column.addEventListener("focusin", (event) => this.focusIn(event, side));
      column.addEventListener("focusout", () => view.focusOn(null));
      column.addEventListener("click", (event) => this.pin(event, side));
      column.addEventListener("keydown", (event) => this.key(event, side));
    }
    this.scroller.addEventListener("scroll", () => view.refocus(), { passive: true });
  }

  // New tokens. Users' text goes in as text, never as markup.
  load() {
    const make = (side, entries) =>
      entries.map((entry, k) => {
        const button = element("button", "token");
        button.type = "button";
        button.tabIndex = k === 0 ? 0 : -1;
        button.dataset.at = k;
        button.dataset.segment = entry.segment;
        if (entry.special) button.dataset.special = "";
        const word = element("bdi", "word", entry.name);
        if (entry.title !== entry.name) button.title = entry.title;
        button.append(word, element("span", "weight"));
        button.setAttribute("aria-label", `${side === "from" ? "From" : "To"} token ${k + 1}: ${entry.name}`);
        return button;
      });
    const { rows, columns } = this.view.frame;
    this.columns.from.replaceChildren(...make("from", rows));
    this.columns.to.replaceChildren(...make("to", columns));
    this.nodes = { from: [...this.columns.from.children], to: [...this.columns.to.children] };
    this.marked.clear();
  }

  measure() {
    const { rows, columns } = this.view.frame;
    const count = Math.max(1, rows.length, columns.length);
    this.row = Math.round(Math.min(30, Math.max(16, 640 / count)));
    this.scroller.style.setProperty("--row", `${this.row}px`);
    this.scroller.style.setProperty("--token-size", `${Math.min(14, this.row - 3.5)}px`);
    const height = this.row * count;
    this.scroller.toggleAttribute("data-scrolls", height > SCROLL_FROM);
    this.height = Math.min(height, SCROLL_FROM);
    this.width = this.column.clientWidth;
  }

  draw() {
    this.measure();
    this.wires.plan();
    this.foot.textContent =
      this.wires.left > 0
        ? `The strongest ${MOST_LINES.toLocaleString("en")} lines are drawn. Point at a token for all of its own.`
        : "Point at a token for its weights. Click to keep it, Esc to let go.";
    this.mark();
    this.paint();
  }

  paint() {
    this.wires.paint();
  }

  // Brings a token into sight where the panel scrolls by itself.
  reveal({ from, to }) {
    if (!this.scroller.hasAttribute("data-scrolls")) return;
    const [top, end] = [this.scroller.scrollTop, this.scroller.scrollTop + this.height];
    const y = (from ?? to) * this.row;
    if (y < top || y + this.row > end) this.scroller.scrollTop = y - this.height / 2;
  }

  // Which tokens stand out, and the figures beside them.
  mark() {
    const count = Math.max(this.nodes.from.length, this.nodes.to.length);
    let [low, high] = [0, count - 1];
    if (count > MARK_ALL) {
      low = Math.max(0, Math.floor(this.scroller.scrollTop / this.row) - 4);
      high = Math.min(count - 1, low + Math.ceil(this.height / this.row) + 8);
    }
    const fresh = new Set();
    if (this.view.focus !== null) for (let k = low; k <= high; k += 1) fresh.add(k);
    for (const k of this.marked) if (!fresh.has(k)) this.markOne(k);
    for (const k of fresh) this.markOne(k);
    this.marked = fresh;
  }

  markOne(k) {
    const { focus, pinned } = this.view;
    const { from = null, to = null } = focus ?? {};
    const side = from !== null ? "to" : "from"; // the side that shows figures
    for (const name of ["from", "to"]) {
      const node = this.nodes[name][k];
      if (!node) continue;
      const source = focus !== null && (name === "from" ? k === from : k === to);
      const weighted = focus !== null && name === side;
      node.toggleAttribute("data-source", source);
      node.toggleAttribute("data-faint", focus !== null && name !== side && !source);
      node.toggleAttribute("data-weighted", weighted);
      const kept = pinned !== null && (name === "from" ? k === pinned.from : k === pinned.to);
      node.toggleAttribute("data-pinned", kept);
      node.setAttribute("aria-pressed", String(kept));
      if (!weighted) continue;
      const at = side === "to" ? from * this.nodes.to.length + k : k * this.nodes.to.length + to;
      node.lastChild.textContent = this.view.figure(at);
      node.toggleAttribute("data-strong", Math.abs(this.view.plane[at]) >= 0.1);
      node.style.setProperty("--heat", this.heat(at));
    }
  }

  // The shade behind a token; faint enough that its text stays legible.
  heat(at) {
    const { shown, theme } = this.view;
    if (shown.kind === "difference") {
      return css(theme.diverge[Math.round(128 + 0.38 * (signedShade(shown.plane[at], shown.top) - 128))]);
    }
    if (shown.kind === "single") return css(theme.ramp[Math.round(0.38 * shade(shown.plane[at], shown.top))]);
    const width = 100 / shown.planes.length;
    const stripes = shown.planes.map(({ weights, color }, k) => {
      const alpha = 0.38 * Math.sqrt(Math.min(1, weights[at] / shown.top));
      return `${css(color, alpha.toFixed(3))} ${k * width}% ${(k + 1) * width}%`;
    });
    return `linear-gradient(to right, ${stripes.join(", ")})`;
  }

  index(event) {
    const node = event.target.closest?.(".token");
    return node ? Number(node.dataset.at) : null;
  }

  enter(event, side) {
    const at = this.index(event);
    if (at !== null) this.view.focusOn({ [side]: at });
  }

  focusIn(event, side) {
    const at = this.index(event);
    if (at !== null && event.target.matches(":focus-visible")) this.view.focusOn({ [side]: at });
  }

  pin(event, side) {
    const at = this.index(event);
    if (at !== null) this.view.pin({ [side]: at });
  }

  key(event, side) {
    const at = this.index(event);
    if (at === null) return;
    const goal = {
      ArrowUp: [side, at - 1],
      ArrowDown: [side, at + 1],
      ArrowLeft: ["from", at],
      ArrowRight: ["to", at],
    }[event.key];
    const node = goal && this.nodes[goal[0]][Math.min(goal[1], this.nodes[goal[0]].length - 1)];
    if (!node) return;
    event.preventDefault();
    for (const each of [...this.nodes.from, ...this.nodes.to]) each.tabIndex = -1;
    for (const name of ["from", "to"]) {
      const same = this.nodes[name][Number(node.dataset.at)] ?? this.nodes[name].at(-1);
      same.tabIndex = 0;
    }
    node.focus();
  }
}
