// The plan of the model beside every step: where we are, and the way to any other step.

class Plan {
  constructor(view, root) {
    this.view = view;
    this.root = root;
    this.buttons = [];
  }

  load() {
    const { layers, heads } = this.view.packet;
    this.buttons = [];
    const box = (at, className = "") => this.box(at, className);
    const arrow = () => make("span", "arrow");
    const head = make("div", "frame head", make("span", "tag", `1 of ${heads} heads`), box(2, "triple"), arrow(), box(3), arrow(), box(4), arrow(), box(5));
    const bypass = (node, className) => make("div", `skip ${className}`, node);
    const inner = make("div", "", head, arrow(), box(6));
    const layer = make(
      "div",
      "frame layer",
      make("span", "tag", `1 of ${layers} layers`),
      bypass(inner, ""),
      arrow(),
      box(7, "sum"),
      arrow(),
      bypass(box(8), ""),
      arrow(),
      make("span", "plus", "add, normalise"),
    );
    this.root.replaceChildren(box(0), arrow(), box(1), arrow(), layer, arrow(), box(9), arrow(), box(10));
  }

  box(at, className) {
    const node = make("button", `box ${className}`, make("span", "no", String(at + 1)), STEPS[at].short);
    node.type = "button";
    node.addEventListener("click", () => this.view.go(at));
    this.buttons[at] = node;
    return node;
  }

  mark(step) {
    this.buttons.forEach((node, at) => {
      if (at === step) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
      node.toggleAttribute("data-done", at < step);
    });
  }
}
