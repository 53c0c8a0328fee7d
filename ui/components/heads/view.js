// The grid of heads. Cells are buttons; a choice is drawn at once and told to Python a moment later, so that
// several clicks in a row are one run of the page.

const TELL_AFTER = 160; // ms

class Grid {
  constructor(root) {
    this.root = root.querySelector(".grid");
    this.chosen = new Set();
    this.turn = 0;
    this.shape = "";
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("keydown", (event) => this.moved(event));
  }

  receive(data, tell) {
    this.tell = tell;
    this.data = data;
    const shape = `${data.cells.length}x${data.cells[0]?.length ?? 0}:${data.many}`;
    if (shape !== this.shape) {
      this.shape = shape;
      this.build();
    }
    if (data.turn >= this.turn) {
      this.turn = data.turn;
      this.chosen = new Set(data.chosen.map(([layer, head]) => `${layer}:${head}`));
    }
    this.root.setAttribute("aria-label", data.name);
    this.draw();
  }

  build() {
    const { cells, many } = this.data;
    const heads = cells[0]?.length ?? 0;
    this.root.toggleAttribute("data-many", many);
    this.root.toggleAttribute("data-one", !many);
    this.root.style.gridTemplateColumns = `4rem repeat(${heads}, minmax(0, 1fr))`;
    this.root.style.setProperty("--cell", cells.length > 12 ? "24px" : cells.length > 6 ? "30px" : "38px");
    const nodes = [node("span", "axis", "")];
    for (let head = 0; head < heads; head += 1) nodes.push(node("span", "axis", String(head + 1)));
    this.buttons = new Map();
    cells.forEach((row, layer) => {
      const name = node(many ? "button" : "span", "layer", `Layer ${layer + 1}`);
      if (many) {
        name.type = "button";
        name.dataset.layer = layer;
        name.title = `Switch all heads of layer ${layer + 1} off or on`;
      }
      nodes.push(name);
      row.forEach((_, head) => {
        const cell = node("button", "cell", "");
        cell.type = "button";
        cell.dataset.place = `${layer}:${head}`;
        cell.append(node("span", "said", ""));
        this.buttons.set(cell.dataset.place, cell);
        nodes.push(cell);
      });
    });
    this.root.replaceChildren(...nodes);
  }

  draw() {
    const first = this.focused && this.buttons.has(this.focused) ? this.focused : [...this.chosen][0] ?? "0:0";
    this.data.cells.forEach((row, layer) =>
      row.forEach(([text, color, ink, told], head) => {
        const place = `${layer}:${head}`;
        const cell = this.buttons.get(place);
        const on = this.chosen.has(place);
        cell.firstChild.textContent = text;
        setOrDrop(cell, "--fill", color);
        setOrDrop(cell, "--text", ink);
        cell.title = told;
        cell.setAttribute("aria-label", told);
        cell.setAttribute("aria-pressed", String(on));
        cell.tabIndex = place === first ? 0 : -1;
      }),
    );
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.layer !== undefined) this.toggleLayer(button.dataset.layer);
    else if (this.data.many) this.toggle([button.dataset.place]);
    else if (this.chosen.has(button.dataset.place)) return;
    else this.chosen = new Set([button.dataset.place]);
    this.focused = button.dataset.place ?? this.focused;
    this.changed();
  }

  toggleLayer(layer) {
    this.toggle([...this.buttons.keys()].filter((place) => place.startsWith(`${layer}:`)));
  }

  // All on where all are off, else all off.
  toggle(places) {
    const all = places.every((place) => this.chosen.has(place));
    for (const place of places) {
      if (all) this.chosen.delete(place);
      else this.chosen.add(place);
    }
  }

  moved(event) {
    const place = event.target.dataset?.place;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!place || !step) return;
    event.preventDefault();
    const [layer, head] = place.split(":").map(Number);
    const next = this.buttons.get(`${layer + step[0]}:${head + step[1]}`);
    if (!next) return;
    this.focused = next.dataset.place;
    for (const cell of this.buttons.values()) cell.tabIndex = cell === next ? 0 : -1;
    next.focus();
  }

  changed() {
    this.turn += 1;
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const chosen = [...this.chosen].map((place) => place.split(":").map(Number));
      this.tell("choice", { chosen, turn: this.turn });
    }, TELL_AFTER);
  }
}

function node(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function setOrDrop(cell, name, value) {
  if (value) cell.style.setProperty(name, value);
  else cell.style.removeProperty(name);
}

const grids = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".heads-grid");
  if (!root || !data) return undefined;
  let grid = grids.get(root);
  if (!grid) {
    grid = new Grid(root);
    grids.set(root, grid);
  }
  grid.receive(data, setStateValue);
  return () => clearTimeout(grid.timer);
}
