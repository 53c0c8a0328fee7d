// Many texts in a list: select some, and one key labels them.

const SHOWN = 30;

class ListView {
  constructor(desk) {
    this.desk = desk;
    this.box = desk.find(".many");
    this.list = desk.find(".list");
    this.picked = desk.find(".picked");
    this.shown = [];
    this.selected = new Set();
    this.active = 0;
    this.anchor = 0;
    this.nodes = new Map();
    desk.find(".all").addEventListener("click", () => this.all());
    desk.find(".clear").addEventListener("click", () => this.none());
    desk.find(".more").addEventListener("click", () => this.next());
  }

  get cards() {
    return this.shown.filter((card) => this.selected.has(card));
  }

  // The next texts that have no answer. What was on the screen is behind.
  next() {
    this.shown = [];
    this.fill();
    this.list.scrollTop = 0;
    this.desk.show();
  }

  fill() {
    if (this.shown.length) return;
    this.shown = this.desk.line.open().slice(0, SHOWN);
    this.selected.clear();
    this.active = this.anchor = 0;
    this.nodes = new Map(this.shown.map((card, at) => [card, this.draw(card, at)]));
    this.list.replaceChildren(...this.nodes.values());
    for (const node of this.nodes.values()) {
      const words = node.querySelector(".words");
      const cut = words.scrollHeight > words.clientHeight + 4;
      node.querySelector(".whole").hidden = !cut;
      node.toggleAttribute("data-cut", cut);
    }
  }

  draw(card, at) {
    const node = element("div", "item");
    node.setAttribute("role", "option");
    node.id = `item-${card.row}`;
    const words = element("div", "words", card.text);
    words.dir = "auto";
    const whole = button("whole", "Show all of it", null, (event) => {
      event.stopPropagation();
      node.toggleAttribute("data-whole");
      whole.textContent = node.hasAttribute("data-whole") ? "Show less" : "Show all of it";
    });
    const tick = element("span", "tick");
    tick.setAttribute("aria-hidden", "true");
    const body = element("div", "body");
    body.append(words, whole, element("div", "about"));
    node.append(tick, body);
    node.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
    node.addEventListener("click", (event) => this.click(at, event.shiftKey));
    return node;
  }

  show() {
    this.fill();
    this.shown.forEach((card, at) => {
      const node = this.nodes.get(card);
      const chosen = this.selected.has(card);
      node.setAttribute("aria-selected", String(chosen));
      node.toggleAttribute("data-active", at === this.active);
      node.toggleAttribute("data-done", card.done);
      const about = badges(card, this.desk);
      const suggestion = card.done ? null : this.desk.suggestion(card);
      if (suggestion) {
        const names = suggestion.labels.map((id) => this.desk.labels.byId.get(id)?.name).filter(Boolean);
        about.push(named("quiet", `${names.join(", ")}? ${percentWords(suggestion.probability)}`));
      }
      node.querySelector(".about").replaceChildren(...about);
    });
    this.list.setAttribute("aria-activedescendant", this.shown[this.active] ? `item-${this.shown[this.active].row}` : "");
    this.picked.textContent = `${this.selected.size} of ${this.shown.length} selected`;
  }

  click(at, extend) {
    this.active = at;
    if (extend) this.range(at);
    else this.toggle(at);
    this.desk.show();
  }

  toggle(at) {
    const card = this.shown[at];
    if (!card) return;
    if (this.selected.has(card)) this.selected.delete(card);
    else this.selected.add(card);
    this.anchor = at;
  }

  range(at) {
    const [from, to] = [Math.min(this.anchor, at), Math.max(this.anchor, at)];
    this.shown.slice(from, to + 1).forEach((card) => this.selected.add(card));
  }

  move(step, extend) {
    this.active = Math.max(0, Math.min(this.shown.length - 1, this.active + step));
    if (extend) {
      this.selected.add(this.shown[this.anchor]);
      this.range(this.active);
    } else this.anchor = this.active;
    this.nodes.get(this.shown[this.active])?.scrollIntoView({ block: "nearest" });
    this.desk.show();
  }

  all() {
    this.shown.filter((card) => !card.done).forEach((card) => this.selected.add(card));
    this.desk.show();
  }

  none() {
    this.selected.clear();
    this.desk.show();
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) this.move(steps[event.key], event.shiftKey);
    else if (event.key === " ") this.click(this.active, event.shiftKey);
    else if (event.key === "Escape") this.none();
    else if (event.key === "ArrowRight") this.next();
    else return false;
    return true;
  }
}
