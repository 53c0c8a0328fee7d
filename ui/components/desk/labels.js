// The labels as buttons, each with its key and how many texts have it; narrowed by typing where they are many.

class Labels {
  constructor(desk) {
    this.desk = desk;
    this.box = desk.find(".labels");
    this.grid = desk.find(".grid");
    this.filter = desk.find(".filter");
    this.input = desk.find(".filter input");
    this.none = desk.find(".nothing");
    this.buttons = new Map();
    this.first = 0;
    this.input.addEventListener("input", () => this.narrow());
    this.input.addEventListener("keydown", (event) => this.typed(event));
    this.input.addEventListener("blur", () => {
      if (!this.input.value) this.shut();
    });
    desk.find(".open").addEventListener("click", () => this.open(""));
  }

  load(labels) {
    const same = JSON.stringify(labels) === this.loaded;
    if (same) return;
    this.loaded = JSON.stringify(labels);
    this.labels = labels;
    this.byId = new Map(labels.map((label) => [label.id, label]));
    this.byKey = new Map(labels.filter((label) => label.key).map((label) => [label.key, label]));
    this.many = labels.some((label) => !label.key);
    this.box.toggleAttribute("data-many", labels.length > 12);
    this.box.toggleAttribute("data-filters", this.many || labels.length > 9);
    this.buttons = new Map(labels.map((label) => [label.id, this.draw(label)]));
    this.grid.replaceChildren(...this.buttons.values());
    this.counts = new Map();
    this.shut();
  }

  draw(label) {
    const node = button("label", undefined, null, () => this.desk.choose(label.id, "click"));
    node.style.setProperty("--class", label.color);
    if (label.definition) node.title = label.definition;
    const key = element("kbd", "", label.key);
    key.hidden = !label.key;
    const words = element("span", "words");
    words.append(named("name", label.name));
    if (label.definition) words.append(named("definition", label.definition));
    node.append(key, dot(label.color), words, element("span", "count", ""));
    return node;
  }

  // Which are chosen, which is suggested, and how many each has.
  show({ chosen, suggested, counts, usable }) {
    for (const [id, node] of this.buttons) {
      const label = this.byId.get(id);
      const count = counts[id] ?? 0;
      node.setAttribute("aria-pressed", String(chosen.includes(id)));
      node.toggleAttribute("data-suggested", suggested.includes(id));
      node.setAttribute("aria-disabled", String(!usable));
      if (this.counts.get(id) === count) continue;
      this.counts.set(id, count);
      node.querySelector(".count").textContent = count ? count.toLocaleString("en-US") : "";
      const key = label.key ? `, key ${label.key}` : "";
      node.setAttribute("aria-label", `${label.name}${key}, ${counted(count, "text")}`);
    }
  }

  // ------------------------------------------------------------- narrowing by typing

  get narrowing() {
    return this.desk.root.getRootNode().activeElement === this.input;
  }

  open(letter) {
    this.box.toggleAttribute("data-open", true);
    this.input.value = letter;
    this.input.focus({ preventScroll: true });
    this.narrow();
  }

  shut() {
    this.input.value = "";
    this.box.toggleAttribute("data-open", false);
    if (this.labels) this.narrow();
    if (this.narrowing) {
      this.input.blur();
      this.desk.root.focus({ preventScroll: true });
    }
  }

  narrow() {
    this.hits = ranked(this.labels, this.input.value);
    this.first = 0;
    this.grid.replaceChildren(...this.hits.map((label) => this.buttons.get(label.id)));
    this.none.hidden = this.hits.length > 0;
    this.grid.scrollTop = 0;
    this.mark();
  }

  mark() {
    const typing = this.input.value.trim() !== "";
    this.labels.forEach(({ id }) => this.buttons.get(id).removeAttribute("data-first"));
    if (!typing || !this.hits.length) return;
    const node = this.buttons.get(this.hits[this.first].id);
    node.toggleAttribute("data-first", true);
    node.scrollIntoView({ block: "nearest" });
    this.desk.murmur(`${this.hits[this.first].name}, ${counted(this.hits.length, "label")} found`);
  }

  typed(event) {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape" || (event.key === "Backspace" && this.input.value === "")) this.shut();
    else if (event.key === "Enter") this.takeFirst();
    else if (event.key === "ArrowDown") this.move(1);
    else if (event.key === "ArrowUp") this.move(-1);
    else return;
    event.preventDefault();
  }

  move(step) {
    this.first = Math.max(0, Math.min(this.hits.length - 1, this.first + step));
    this.mark();
  }

  takeFirst() {
    const hit = this.input.value.trim() === "" ? null : this.hits[this.first];
    const typed = this.input.value.trim();
    if (!hit && typed) return;
    this.shut();
    if (hit) this.desk.choose(hit.id, `/${typed}`.slice(0, 20));
  }
}
