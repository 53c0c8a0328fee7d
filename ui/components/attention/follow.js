// One token through all layers: what it reads in each, averaged over the layer's heads, and in each head of the
// chosen layer. Row = layer (or head), column = token that is read.

class Follow {
  constructor(view) {
    this.view = view;
    this.section = view.find(".follow");
    this.strip = view.find(".follow .strip");
    this.hovered = null; // { role, from, to }
    const zoom = new Zoom(true);
    this.matrices = ["layers", "heads"].map((role) => {
      const section = view.find(`.follow .matrix.${role === "heads" ? "heads-of" : role}`);
      return new Matrix(section, {
        view,
        zoom,
        tall: true,
        panel: () => this.panels?.[role] ?? null,
        focus: () => this.focus(role),
        hover: (cell) => this.hover(role, cell),
        click: ({ from }) => this.choose(role, from),
        tip: (event, cell) => this.tip(role, event, cell),
        buttons: role === "heads" ? view.find(".follow .zoom") : undefined, // one of the two that share them
      });
    });
    this.strip.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) view.follows(Number(button.dataset.at));
    });
  }

  // The tokens that are followed together: one, or all pieces of its word.
  together() {
    const { words } = this.view.map.rows;
    const at = this.view.token;
    if (!this.view.shape.words || words.length === 0 || words[at] < 0) return [at];
    return words.flatMap((word, k) => (word === words[at] ? [k] : []));
  }

  needed() {
    const { map, selection } = this.view;
    const keys = this.together().flatMap((k) => [`over:${k}`, `heads:${selection.layer}:${k}`]);
    return map.base === null ? keys : keys.flatMap((key) => [key, `base:${key}`]);
  }

  draw() {
    const { view } = this;
    const { layers, heads, averaging } = view.map;
    this.writeStrip();
    const named = (count, name, special = -1) =>
      Array.from({ length: count }, (_, k) => ({ name: `${name} ${k + 1}`, title: "", special: k === special }));
    const { layer } = view.selection;
    this.panels = {
      layers: this.panel("over:", named(layers, "Layer", averaging ?? -1), "All layers"),
      heads: this.panel(`heads:${layer}:`, named(heads, "Head"), `Heads of layer ${layer + 1}`),
    };
    view.find(".follow .heads-title").textContent = `Each head of layer ${layer + 1}`;
    view.root.toggleAttribute("data-nothing", this.panels.layers === null);
    for (const matrix of this.matrices) matrix.draw();
  }

  // The rows of one packed plane per token, each shaped like a row of an attention plane.
  panel(prefix, rows, label) {
    const { view } = this;
    const tokens = this.together();
    const own = (values) => (values.length ? tokens.map((k) => values[k]) : []);
    const { rows: side } = view.map;
    const still = tokens.map(() => false); // a token that is followed is not hidden
    const reader = { tokens: own(side.tokens), names: own(side.names), special: still, punctuation: still };
    Object.assign(reader, { segments: own(side.segments), words: own(side.words) });
    const asked = { ...view.asked(), temperature: 1 };
    const frame = frameOf(reader, view.sides.columns, asked);
    if (frame.rows.length === 0 || frame.columns.length === 0) return null;
    const one = (base) => {
      const planes = tokens.map((k) => view.planes.get(`${base}${prefix}${k}`));
      const weights = new Float32Array(rows.length * frame.columns.length);
      const width = planes[0].columns;
      rows.forEach((_, at) => {
        const plane = { weights: new Float32Array(tokens.length * width), columns: width };
        planes.forEach((each, k) => plane.weights.set(each.weights.subarray(at * width, (at + 1) * width), k * width));
        weights.set(shaped(plane, frame, asked).weights.subarray(0, frame.columns.length), at * frame.columns.length);
      });
      return weights;
    };
    const after = one("");
    const compares = view.map.base !== null;
    const before = compares ? one("base:") : null;
    const difference = compares && view.lens === "difference";
    const plane = difference ? after.map((w, k) => w - before[k]) : compares && view.lens === "before" ? before : after;
    const kind = difference ? "difference" : "single";
    const top = scaleTop([plane], difference);
    return { kind, plane, planes: [{ weights: plane }], top, rows, columns: frame.columns, label };
  }

  writeStrip() {
    const { rows } = this.view.sides;
    const found = entries(rows, rows.tokens.map((_, k) => k), this.view.shape.words);
    const chosen = (entry) => entry.group.includes(this.view.token);
    const buttons = found.map((entry) => {
      const button = element("button", "");
      button.type = "button";
      button.dataset.at = entry.group[0];
      if (entry.special) button.dataset.special = "";
      button.append(element("bdi", "", entry.name));
      press(button, chosen(entry));
      return button;
    });
    const focused = this.strip.contains(this.view.active()) ? this.view.active().dataset.at : null;
    this.strip.replaceChildren(...buttons);
    if (focused !== null) buttons.find((b) => b.dataset.at === focused)?.focus({ preventScroll: true });
    const name = found.find(chosen)?.name ?? "";
    this.view.find(".follow .title").textContent = `What “${name}” reads, layer by layer`;
  }

  // What is pointed at in one of the two; the other shows the same column.
  focus(role) {
    if (this.hovered === null) return null;
    if (this.hovered.role === role) return { from: this.hovered.from, to: this.hovered.to ?? null };
    return this.hovered.to === undefined ? null : { to: this.hovered.to };
  }

  hover(role, cell) {
    this.hovered = cell && { role, ...cell };
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.matrices.forEach((matrix) => matrix.paint()));
  }

  choose(role, at) {
    const { layer, head } = this.view.selection;
    this.view.choose(role === "layers" ? { layer: at, head } : { layer, head: at });
  }

  tip(role, event, { from, to }) {
    const { plane, kind, rows, columns } = this.panels[role];
    const weight = plane[from * columns.length + to];
    const value = kind === "difference" ? signedFigure(weight) : figure(weight);
    this.view.tip.show(event, `${rows[from].name} → ${columns[to].name}`, value);
  }
}
