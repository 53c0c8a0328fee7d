// The matrix of what is shown, or three that are zoomed and pointed at together: before, after and difference.

class Matrices {
  constructor(view) {
    this.view = view;
    this.holder = view.find(".matrices");
    this.zoom = new Zoom();
    this.all = [];
  }

  // For another map: as many as it has, under their names.
  arrange() {
    const { map } = this.view;
    const roles = map.base === null ? ["main"] : ["before", "after", "main"];
    if (this.all.length !== roles.length) {
      const first = this.holder.querySelector(".matrix");
      this.zoom.users.clear();
      this.holder.replaceChildren(...roles.map(() => first.cloneNode(true)));
      this.all = roles.map((role, k) => new Matrix(this.holder.children[k], this.host(role)));
    }
    this.zoom.reset();
    const names = { main: map.base === null ? "Matrix" : "Difference", before: "Before", after: "After" };
    this.all.forEach(({ section }, k) => {
      section.setAttribute("aria-label", names[roles[k]]);
      section.querySelector("h3").textContent = names[roles[k]];
      section.querySelector(".note").textContent = { before: map.base, after: map.model }[roles[k]] ?? "";
    });
  }

  host(role) {
    const { view, zoom } = this;
    return {
      view,
      zoom,
      tall: false,
      panel: () => panelOf(view, role),
      focus: () => view.focus,
      hover: (cell) => view.focusOn(cell),
      click: (cell) => view.pin(cell),
      tip: (event, cell) => view.tip.show(event, ...cellInWords(view, cell)),
    };
  }

  draw() {
    for (const matrix of this.all) matrix.draw();
  }

  paint() {
    for (const matrix of this.all) matrix.paint();
  }

  // A sentence under the last one's title: the others have their models' names there.
  note(text) {
    this.all.at(-1).section.querySelector(".note").textContent = text;
  }
}
