// All heads at a glance: a grid of layers x heads, each a thumbnail, one of them (or a row, or all rows up
// to one) selected. Draws on one canvas; the cells above it are real elements, for pointer, keys and readers.

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
    this.cells.addEventListener("click", (event) => this.choose(event));
    this.cells.addEventListener("keydown", (event) => this.key(event));
    this.cells.addEventListener("pointermove", (event) => this.hover(event));
    this.cells.addEventListener("pointerleave", () => view.hideTip());
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
    const { layers, heads, thumb, thumbs } = this.view.map;
    const { ramp } = this.view.theme;
    const room = this.section.clientWidth - 44;
    if (room <= 0) return;
    const pitch = Math.min(34, Math.max(13, Math.floor((room + GAP) / heads)));
    const gap = pitch < 20 ? 2 : GAP;
    this.pitch = pitch;
    this.side = pitch - gap;
    const [width, height] = [heads * pitch - gap, layers * pitch - gap];
    this.stage.style.width = `${width}px`;
    this.stage.style.height = `${height}px`;
    this.axes.columns.style.width = `${width}px`;
    this.axes.rows.style.height = `${height}px`;
    const context = sized(this.canvas, width, height);
    if (this.small === null || this.ramp !== ramp) {
      this.small = picture(thumbs, thumb, thumb * layers * heads, ramp);
      this.ramp = ramp;
    }
    context.imageSmoothingEnabled = this.side * (window.devicePixelRatio || 1) < thumb;
    context.imageSmoothingQuality = "high";
    for (let layer = 0; layer < layers; layer += 1) {
      for (let head = 0; head < heads; head += 1) {
        const top = (layer * heads + head) * thumb;
        context.drawImage(this.small, 0, top, thumb, thumb, head * pitch, layer * pitch, this.side, this.side);
      }
    }
    this.place();
    this.select();
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

  // The frame around what is shown below, the one cell that Tab reaches, and the bold numbers.
  select() {
    const { layer, head } = this.view.selection;
    const { mode } = this.view;
    const rows = mode === "rollout" ? [0, layer] : [layer, layer];
    const columns = mode === "head" ? [head, head] : [0, this.view.map.heads - 1];
    const extent = ([a, b]) => [a * this.pitch - 4, (b - a) * this.pitch + this.side + 8];
    const [[left, width], [top, height]] = [extent(columns), extent(rows)];
    Object.assign(this.frame.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${width}px`,
      height: `${height}px`,
    });
    for (const cell of this.cells.querySelectorAll(".cell")) {
      const here = Number(cell.dataset.layer) === layer && Number(cell.dataset.head) === head;
      cell.setAttribute("aria-selected", String(here));
      cell.tabIndex = here ? 0 : -1;
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
    if (place) this.view.choose(place);
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
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { layers, heads } = this.view.map;
    const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
    const { layer, head } = this.view.selection;
    this.view.choose({ layer: clamp(layer + step[0], layers), head: clamp(head + step[1], heads) });
    this.cells.querySelector('[aria-selected="true"]').focus({ preventScroll: true });
  }

  hover(event) {
    const place = this.at(event);
    if (!place) return this.view.hideTip();
    return this.view.showTip(event, this.view.describe(place), "");
  }
}
