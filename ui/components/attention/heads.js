// All heads at a glance: a grid of layers x heads, each a thumbnail; one of them, a row, all rows up to one, or
// several to lay over each other are chosen. Draws on one canvas; the cells above it are real elements, for
// pointer, keys and readers.

const GAP = 4;

class Heads {
  constructor(view) {
    this.view = view;
    this.section = view.find(".heads");
    this.stage = view.find(".heads .stage");
    this.canvas = view.find(".heads canvas");
    this.cells = view.find(".heads .cells");
    this.frame = view.find(".heads .frame");
    this.axes = { rows: view.find(".axis.layers"), columns: view.find(".axis.columns") };
    this.button = view.find(".heads .overlay");
    this.button.addEventListener("click", () => view.overlaying(!view.overlay.on));
    this.cells.addEventListener("click", (event) => this.choose(event));
    this.cells.addEventListener("keydown", (event) => this.key(event));
    this.cells.addEventListener("pointermove", (event) => this.hover(event));
    this.cells.addEventListener("pointerleave", () => view.tip.hide());
  }

  // New thumbnails: elements are rebuilt only if the model's shape changed.
  load() {
    const { layers, heads } = this.view.map;
    this.small = null;
    if (this.shape === `${layers}x${heads}`) return;
    this.shape = `${layers}x${heads}`;
    this.cells.replaceChildren();
    for (let layer = 0; layer < layers; layer += 1) {
      const row = element("div", "row");
      row.setAttribute("role", "row");
      for (let head = 0; head < heads; head += 1) {
        const cell = element("div", "cell");
        cell.setAttribute("role", "gridcell");
        cell.setAttribute("aria-label", `Layer ${layer + 1}, head ${head + 1}`);
        cell.dataset.layer = layer;
        cell.dataset.head = head;
        cell.tabIndex = -1;
        row.append(cell);
      }
      this.cells.append(row);
    }
    this.number(this.axes.rows, layers, "Layer");
    const added = this.axes.rows.children[1 + (this.view.map.averaging ?? -2)];
    if (added) added.title = "This layer averages all tokens; it has learnt nothing.";
    this.number(this.axes.columns, heads, "Head");
  }

  number(axis, count, name) {
    axis.replaceChildren(element("b", "", name));
    for (let k = 1; k <= count; k += 1) axis.append(element("span", "", String(k)));
  }

  draw() {
    const { layers, heads } = this.view.map;
    const room = this.section.clientWidth - 44;
    if (room <= 0) return;
    const pitch = Math.min(this.view.map.base === null ? 34 : 42, Math.max(13, Math.floor((room + GAP) / heads)));
    const gap = pitch < 20 ? 2 : GAP;
    this.pitch = pitch;
    this.side = pitch - gap;
    const [width, height] = [heads * pitch - gap, layers * pitch - gap];
    this.stage.style.width = `${width}px`;
    this.stage.style.height = `${height}px`;
    this.axes.columns.style.width = `${width}px`;
    this.axes.rows.style.height = `${height}px`;
    const context = sized(this.canvas, width, height);
    this.colour();
    const [high, wide] = this.small.cells;
    context.imageSmoothingEnabled = this.side * (window.devicePixelRatio || 1) < Math.max(high, wide);
    context.imageSmoothingQuality = "high";
    for (let layer = 0; layer < layers; layer += 1) {
      for (let head = 0; head < heads; head += 1) {
        const top = (layer * heads + head) * high;
        context.drawImage(this.small, 0, top, wide, high, head * pitch, layer * pitch, this.side, this.side);
      }
    }
    this.place();
    this.select();
  }

  // The thumbnails of what is looked at, in the theme's colours, one below the other.
  colour() {
    const { map, theme, lens } = this.view;
    const set = map.base === null ? 0 : { after: 0, before: 1, difference: 2 }[lens];
    const ramp = set === 2 ? theme.diverge : theme.ramp;
    const asked = this.view.asked();
    const sign = JSON.stringify([set, theme.sign, asked]);
    if (this.small !== null && this.sign === sign) return;
    this.sign = sign;
    const [, layers, heads, high, wide] = map.thumbs;
    const size = layers * heads * high * wide;
    const own = (k) => map.thumbnails.subarray(k * size, (k + 1) * size);
    const frame = this.shapes() ? frameOf(this.view.sides.rows, this.view.sides.columns, asked) : null;
    if (frame === null || frame.rows.length === 0 || frame.columns.length === 0) {
      this.small = picture(own(set), wide, high * layers * heads, ramp);
      this.small.cells = [high, wide];
      return;
    }
    const weights = (k) => this.shapedThumbs(own(k), frame, asked);
    const cells = [frame.rows.length, frame.columns.length];
    const [one, two] = set === 2 ? [weights(0), weights(1)] : [weights(set), null];
    const color = two ? (k) => ramp[signedShade(one[k] - two[k], 1)] : (k) => ramp[shade(one[k], 1)];
    this.small = painted(cells[1], cells[0] * layers * heads, color);
    this.small.cells = cells;
  }

  // Whether the squares follow what is hidden and merged: where each of their pixels is one weight.
  shapes() {
    const { thumbs, rows } = this.view.map;
    const asked = this.view.asked();
    const plain = Object.entries(AS_IT_IS).every(([name, value]) => asked[name] === value);
    const { columns } = this.view.sides;
    return !plain && thumbs[3] === rows.tokens.length && thumbs[4] === columns.tokens.length;
  }

  shapedThumbs(bytes, frame, asked) {
    const [, layers, heads, high, wide] = this.view.map.thumbs;
    const cells = frame.rows.length * frame.columns.length;
    const found = new Float32Array(layers * heads * cells);
    const weights = new Float32Array(high * wide);
    for (let k = 0; k < layers * heads; k += 1) {
      for (let at = 0; at < weights.length; at += 1) weights[at] = (bytes[k * weights.length + at] / 255) ** 2;
      found.set(shaped({ weights, columns: wide }, frame, asked).weights, k * cells);
    }
    return found;
  }

  place() {
    const middle = (k) => `${k * this.pitch + this.side / 2}px`;
    const every = this.pitch < 18 ? 2 : 1;
    this.axes.rows.querySelectorAll("span").forEach((span, k) => {
      span.style.top = middle(k);
    });
    this.axes.columns.querySelectorAll("span").forEach((span, k) => {
      span.style.left = middle(k);
      span.hidden = k % every !== 0;
    });
    for (const cell of this.cells.querySelectorAll(".cell")) {
      cell.style.left = `${cell.dataset.head * this.pitch}px`;
      cell.style.top = `${cell.dataset.layer * this.pitch}px`;
      cell.style.width = `${this.side}px`;
      cell.style.height = `${this.side}px`;
    }
  }

  // The frame around what is shown below (or each head's own ring), the one cell that Tab reaches, and the bold
  // numbers.
  select() {
    const { layer, head } = this.view.selection;
    const { mode } = this.view;
    const overlays = this.view.overlay.acts;
    const { heads, layers } = this.view.map;
    const rows = mode === "rollout" ? [0, layer] : mode === "flow" ? [0, layers - 1] : [layer, layer];
    const columns = mode === "head" ? [head, head] : [0, heads - 1];
    const extent = ([a, b]) => [a * this.pitch - 4, (b - a) * this.pitch + this.side + 8];
    const [[left, width], [top, height]] = [extent(columns), extent(rows)];
    Object.assign(this.frame.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${width}px`,
      height: `${height}px`,
      display: overlays ? "none" : "",
    });
    this.button.hidden = mode !== "head" || this.view.map.base !== null;
    this.button.setAttribute("aria-pressed", String(overlays));
    this.cells.setAttribute("aria-multiselectable", String(overlays));
    for (const cell of this.cells.querySelectorAll(".cell")) {
      const place = { layer: Number(cell.dataset.layer), head: Number(cell.dataset.head) };
      const main = place.layer === layer && place.head === head;
      const color = overlays ? this.view.overlay.color(place) : null;
      cell.style.setProperty("--ring", color ? css(color) : "transparent");
      cell.setAttribute("aria-selected", String(main || color !== null));
      cell.tabIndex = main ? 0 : -1;
    }
    const within = (k, [a, b]) => k >= a && k <= b;
    this.axes.rows.querySelectorAll("span").forEach((s, k) => s.classList.toggle("on", within(k, rows)));
    this.axes.columns
      .querySelectorAll("span")
      .forEach((s, k) => s.classList.toggle("on", mode === "head" && k === head));
  }

  at(event) {
    const cell = event.target.closest(".cell");
    return cell && { layer: Number(cell.dataset.layer), head: Number(cell.dataset.head) };
  }

  choose(event) {
    const place = this.at(event);
    if (!place) return;
    const one = !(event.shiftKey || event.ctrlKey || event.metaKey);
    if (this.view.overlay.acts || !one) this.view.toggle(place);
    else this.view.choose(place);
    this.cell(place).focus({ preventScroll: true });
  }

  cell({ layer, head }) {
    return this.cells.children[layer].children[head];
  }

  key(event) {
    const step = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -1e6],
      End: [0, 1e6],
    }[event.key];
    const toggles = event.key === " " || event.key === "Enter";
    if ((!step && !toggles) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { selection } = this.view;
    const overlays = this.view.overlay.acts;
    const { layer, head } = this.at(event) ?? selection;
    if (toggles) {
      if (overlays) this.view.toggle({ layer, head });
      return;
    }
    const { layers, heads } = this.view.map;
    const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
    const place = { layer: clamp(layer + step[0], layers), head: clamp(head + step[1], heads) };
    if (!overlays) this.view.choose(place); // with several chosen, arrows only walk; space takes and leaves
    this.cell(place).focus({ preventScroll: true });
  }

  hover(event) {
    const place = this.at(event);
    if (!place) return this.view.tip.hide();
    return this.view.tip.show(event, describe(this.view, place), "");
  }
}
