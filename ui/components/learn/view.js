// The whole: what is chosen (step, token, pair, head, layer), the frame around the picture, the keys.
// Step, layer and head are shared with Python; the tokens that are followed live only here.

const TELL_AFTER = 350; // ms: who leafs through quickly tells Python where they stopped
const FIRST_LAYER_STEP = 2;
const LAST_LAYER_STEP = 9;
const LAST_HEAD_STEP = 6;

class Learn {
  constructor(root) {
    this.root = root;
    this.packet = null;
    this.turn = -1;
    this.step = 0;
    this.drawer = new Drawer(root.querySelector(".numbers"));
    this.plan = new Plan(this, root.querySelector(".plan"));
    this.find(".back").addEventListener("click", () => this.go(this.step - 1));
    this.find(".next").addEventListener("click", () => this.go(this.step + 1));
    this.steppers = { layer: this.stepper("layer"), head: this.stepper("head") };
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  stepper(name) {
    const node = this.find(`.stepper.${name}`);
    const [less, more] = node.querySelectorAll("button");
    less.addEventListener("click", () => this.pick({ [name]: this[name] - 1 }));
    more.addEventListener("click", () => this.pick({ [name]: this[name] + 1 }));
    return { node, less, more, value: node.querySelector(".value") };
  }

  // ------------------------------------------------------------- from Python

  receive(bytes, setStateValue) {
    this.tell = setStateValue;
    const packet = unpack(bytes);
    if (Object.keys(packet.arrays).length === 0) {
      if (this.packet?.mark !== packet.mark) {
        this.say({ ...packet, has: "" }); // Python took us for another: ask for the numbers
        return;
      }
      packet.arrays = this.packet.arrays;
    }
    const fresh = this.packet?.tokens.join("\n") !== packet.tokens.join("\n");
    const ink = readInk(this.root, this.ink);
    const same = this.packet?.mark === packet.mark && ink === this.ink;
    this.ink = ink;
    this.packet = packet;
    this.n = new Numbers(packet);
    this.tops = new Map();
    if (fresh) {
      this.i = Math.min(packet.follow, packet.tokens.length - 1);
      this.j = Math.min(packet.beside, packet.tokens.length - 1);
    }
    if (packet.turn >= this.turn) {
      const moved = [this.step, this.layer, this.head].join() !== [packet.step, packet.layer, packet.head].join();
      [this.turn, this.step, this.layer, this.head] = [packet.turn, packet.step, packet.layer, packet.head];
      if (same && !moved) return;
    } else if (same) return;
    this.plan.load();
    this.draw();
  }

  token(at) {
    return this.packet.tokens[at];
  }

  top(name) {
    if (!this.tops.has(name)) this.tops.set(name, usual(this.n.all(name)));
    return this.tops.get(name);
  }

  open(what) {
    this.drawer.open(this.ink, what);
  }

  // ------------------------------------------------------------- by the user

  go(step) {
    if (step < 0 || step >= STEPS.length || step === this.step) return;
    this.step = step;
    this.told();
    this.draw();
    if (this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
  }

  pick({ i = this.i, j = this.j, head = this.head, layer = this.layer }) {
    const { tokens, heads, layers } = this.packet;
    if (head < 0 || head >= heads || layer < 0 || layer >= layers) return;
    if (i < 0 || i >= tokens.length || j < 0 || j >= tokens.length) return;
    const shared = head !== this.head || layer !== this.layer;
    Object.assign(this, { i, j, head, layer });
    if (shared) this.told();
    this.draw();
  }

  told() {
    this.turn += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.say({ ...this.place(), has: this.packet.mark }), TELL_AFTER);
  }

  place() {
    return { step: this.step, layer: this.layer, head: this.head, turn: this.turn };
  }

  say({ step, layer, head, turn, has }) {
    this.tell("place", { step, layer, head, turn, has });
  }

  key(event) {
    if (!this.root.isConnected || !this.packet || this.root.offsetParent === null) return;
    const target = event.composedPath()[0];
    const busy = "input, textarea, select, [contenteditable], [role=tab], [role=radio], [role=slider], [role=option], [role=combobox], [role=listbox], [role=dialog] *";
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest?.(busy) || event.defaultPrevented) return;
    if (target.classList?.contains("field") && event.key.startsWith("Arrow")) {
      const [di, dj] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      this.pick({ i: this.i + di, j: this.j + dj });
      this.find(".field")?.focus();
      event.preventDefault();
      return;
    }
    const act = {
      ArrowRight: () => this.go(this.step + 1),
      ArrowLeft: () => this.go(this.step - 1),
      Home: () => this.go(0),
      End: () => this.go(STEPS.length - 1),
      ArrowDown: () => this.pick({ i: this.i + 1 }),
      ArrowUp: () => this.pick({ i: this.i - 1 }),
      Escape: () => this.drawer.close(),
    }[event.key];
    if (!act || (event.key.startsWith("Arrow") && event.shiftKey)) return;
    event.preventDefault();
    act();
  }

  // ------------------------------------------------------------- drawing

  draw() {
    const step = STEPS[this.step];
    const { packet } = this;
    const held = this.root.getRootNode().activeElement; // what is drawn anew would drop the keyboard's place
    this.drawer.close();
    this.plan.mark(this.step);
    this.find(".where").textContent = `Step ${this.step + 1} of ${STEPS.length}`;
    this.find(".title").textContent = step.title;
    this.find(".text").innerHTML = step.text(packet); // ours: see words.js
    this.find(".formula").innerHTML = step.formula(packet);
    this.find(".source").textContent = step.source;
    this.find(".back").disabled = this.step === 0;
    this.find(".next").disabled = this.step === STEPS.length - 1;
    this.find(".next .to").textContent = this.step < STEPS.length - 1 ? STEPS[this.step + 1].short : "";
    this.find(".bar").style.width = `${(100 * (this.step + 1)) / STEPS.length}%`;
    const inLayer = this.step >= FIRST_LAYER_STEP && this.step <= LAST_LAYER_STEP;
    this.show("layer", inLayer, packet.layers);
    this.show("head", inLayer && this.step <= LAST_HEAD_STEP, packet.heads);
    this.find(".hint").hidden = this.step === 0;
    this.find(".follow").hidden = this.step === 0 || this.step === STEPS.length - 1;
    this.find(".follow .tokens").replaceChildren(...packet.tokens.map((_, t) => tokenName(this, t)));
    const waits = inLayer && this.layer !== packet.layer; // another layer is on its way
    this.root.toggleAttribute("data-waiting", waits);
    if (waits) return;
    const picture = this.find(".picture");
    picture.dataset.step = this.step + 1;
    picture.replaceChildren(...step.draw(this));
    const label = held?.isConnected === false && held.getAttribute("aria-label");
    if (label) [...this.root.querySelectorAll("button")].find((node) => node.getAttribute("aria-label") === label)?.focus({ preventScroll: true });
    const code = this.find(".code");
    code.hidden = !packet.code[this.step];
    code.querySelector("pre").textContent = packet.code[this.step];
  }

  show(name, on, count) {
    const { node, less, more, value } = this.steppers[name];
    node.hidden = !on;
    value.textContent = `${this[name] + 1} of ${count}`;
    less.disabled = this[name] === 0;
    more.disabled = this[name] === count - 1;
  }

  close() {
    document.removeEventListener("keydown", this.onKey);
    clearTimeout(this.timer);
  }
}

const views = new WeakMap();

export default function render({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".learn");
  if (!root || !data) return undefined;
  let view = views.get(root);
  if (!view) {
    view = new Learn(root);
    views.set(root, view);
  }
  view.receive(data, setStateValue);
  return () => view.close();
}
