// One plane of weights as lines: tokens left (from), tokens right (to), a line for each weight.
// A token under the pointer, in focus or pinned keeps only its own lines, with the figures beside the tokens.

const SCROLL_FROM = 1040; // pixels of tokens above which the panel scrolls by itself
const MOST_LINES = 5000; // more would blur into a surface, and cost time to draw
const FAINTEST = 0.004; // below this share of the scale's top a line cannot be seen

class Lines {
  constructor(view) {
    this.view = view;
    this.scroller = view.find(".scroller");
    this.canvas = view.find(".wires canvas");
    this.wires = view.find(".wires");
    this.columns = { from: view.find(".tokens.from"), to: view.find(".tokens.to") };
    this.columns.from.setAttribute("aria-label", "From");
    this.columns.to.setAttribute("aria-label", "To");
    this.foot = view.find(".lines .foot");
    for (const side of ["from", "to"]) {
      const column = this.columns[side];
      column.addEventListener("pointerover", (event) => this.enter(event, side));
      column.addEventListener("pointerleave", () => view.focusOn(null));
      column.addEventListener("focusin", (event) => this.focusIn(event, side));
      column.addEventListener("focusout", () => view.focusOn(null));
      column.addEventListener("click", (event) => this.pin(event, side));
      column.addEventListener("keydown", (event) => this.key(event, side));
    }
    this.scroller.addEventListener("scroll", () => this.paint(), { passive: true });
  }

  // New tokens. Users' text goes in as text, never as markup.
  load() {
    const { tokens, names, special, segments } = this.view.map;
    const make = (side) =>
      tokens.map((token, k) => {
        const button = element("button", "token");
        button.type = "button";
        button.tabIndex = k === 0 ? 0 : -1;
        button.dataset.at = k;
        button.dataset.segment = segments[k];
        if (special[k]) button.dataset.special = "";
        const word = element("bdi", "word", token);
        if (names[k] !== token) button.title = names[k];
        button.append(word, element("span", "weight"));
        button.setAttribute("aria-label", `${side === "from" ? "From" : "To"} token ${k + 1}: ${token}`);
        return button;
      });
    this.columns.from.replaceChildren(...make("from"));
    this.columns.to.replaceChildren(...make("to"));
    this.nodes = { from: [...this.columns.from.children], to: [...this.columns.to.children] };
  }

  measure() {
    const count = this.view.map.tokens.length;
    this.row = Math.round(Math.min(30, Math.max(16, 640 / count)));
    this.scroller.style.setProperty("--row", `${this.row}px`);
    this.scroller.style.setProperty("--token-size", `${Math.min(14, this.row - 3.5)}px`);
    const height = this.row * count;
    this.scroller.toggleAttribute("data-scrolls", height > SCROLL_FROM);
    this.height = Math.min(height, SCROLL_FROM);
    this.width = this.wires.clientWidth;
  }

  // The weights worth a line, faintest first so that strong ones lie on top.
  plan() {
    const { plane, top } = this.view;
    const visible = plane.filter((weight) => weight >= top * FAINTEST);
    const all = visible.length;
    const least = all > MOST_LINES ? visible.sort()[all - MOST_LINES] : top * FAINTEST;
    const chosen = [];
    for (let k = 0; k < plane.length; k += 1) if (plane[k] >= least) chosen.push(k);
    this.chosen = chosen.sort((a, b) => plane[a] - plane[b]).slice(-MOST_LINES);
    this.foot.textContent =
      all > MOST_LINES
        ? `The strongest ${MOST_LINES.toLocaleString("en")} lines are drawn. Point at a token for all of its own.`
        : "Point at a token for its weights. Click to keep it, Esc to let go.";
  }

  draw() {
    this.measure();
    this.plan();
    this.mark();
    this.paint();
  }

  // Which tokens stand out, and the figures beside them.
  mark() {
    const { plane, top, focus, pinned, theme } = this.view;
    const count = this.view.map.tokens.length;
    const { from = null, to = null } = focus ?? {};
    const side = from !== null ? "to" : "from"; // the side that shows figures
    for (const name of ["from", "to"]) {
      for (let k = 0; k < count; k += 1) {
        const node = this.nodes[name][k];
        const source = focus !== null && (name === "from" ? k === from : k === to);
        const weighted = focus !== null && name === side;
        node.toggleAttribute("data-source", source);
        node.toggleAttribute("data-faint", focus !== null && name !== side && !source);
        node.toggleAttribute("data-weighted", weighted);
        const kept = pinned !== null && (name === "from" ? k === pinned.from : k === pinned.to);
        node.toggleAttribute("data-pinned", kept);
        node.setAttribute("aria-pressed", String(kept));
        if (!weighted) continue;
        const weight = side === "to" ? plane[from * count + k] : plane[k * count + to];
        node.lastChild.textContent = figure(weight);
        node.toggleAttribute("data-strong", weight >= 0.1);
        node.style.setProperty("--heat", css(theme.ramp[Math.round(0.38 * shade(weight, top))])); // text stays legible
      }
    }
  }

  paint() {
    if (!this.chosen || !this.view.plane) return;
    const context = sized(this.canvas, this.width, this.height);
    const { plane, top, focus, inks } = this.view;
    const count = this.view.map.tokens.length;
    const offset = this.scroller.scrollTop;
    const alone = focus !== null; // few lines are on the page: even faint ones may be seen
    const line = (k, strength, least = 0) => {
      const [i, j] = [Math.floor(k / count), k % count];
      const [y1, y2] = [(i + 0.5) * this.row - offset, (j + 0.5) * this.row - offset];
      if ((y1 < 0 && y2 < 0) || (y1 > this.height && y2 > this.height)) return;
      const share = Math.min(1, plane[k] / top);
      const alpha = alone ? 0.12 + 0.83 * share ** 0.6 : 0.03 + 0.87 * share ** 0.75;
      context.globalAlpha = Math.max(least, alpha * strength);
      context.lineWidth = 0.75 + 3.25 * share;
      context.strokeStyle = inks[this.view.map.segments[i]];
      const bend = this.width * 0.42;
      context.beginPath();
      context.moveTo(0, y1);
      context.bezierCurveTo(bend, y1, this.width - bend, y2, this.width, y2);
      context.stroke();
    };
    if (focus === null) {
      for (const k of this.chosen) line(k, 1);
    } else {
      for (const [k, strength, least] of this.own(focus, count)) line(k, strength, least);
    }
    context.globalAlpha = 1;
  }

  // The lines of one token, all of them; with both ends given, that one line stands out among the row's.
  own({ from = null, to = null }, count) {
    const one = from !== null && to !== null;
    const lines = [];
    for (let k = 0; k < count; k += 1) {
      const at = from !== null ? from * count + k : k * count + to;
      const meant = one && k === to;
      lines.push([at, one && !meant ? 0.35 : 1, meant ? 0.5 : 0]);
    }
    return lines.sort((a, b) => a[2] - b[2] || this.view.plane[a[0]] - this.view.plane[b[0]]);
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
    const other = side === "from" ? "to" : "from";
    const goal = {
      ArrowUp: [side, at - 1],
      ArrowDown: [side, at + 1],
      ArrowLeft: ["from", at],
      ArrowRight: ["to", at],
    }[event.key];
    const node = goal && this.nodes[goal[0]][goal[1]];
    if (!node) return;
    event.preventDefault();
    for (const each of [...this.nodes[side], ...this.nodes[other]]) each.tabIndex = -1;
    this.nodes.from[Number(node.dataset.at)].tabIndex = 0;
    this.nodes.to[Number(node.dataset.at)].tabIndex = 0;
    node.focus();
  }
}
