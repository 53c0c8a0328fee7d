// The whole: keeps selection, focus, pin and shape, and tells the drawings.
//
// The boundary, with or without Streamlit:
//
//   const view = create(root, bytes, options)
//     root     the element .attention of view.html, in a page with the styles of the .css files, which
//              sets --st-text-color, --st-background-color, --st-primary-color, --st-font, --st-heading-font and
//              --st-chart-sequential-colors
//     bytes    Uint8Array: what core.explain.picture.Picture.pack made
//     options  tell(look)  called when the user chose something: { layer, head, heads, token, lens, shape, turn,
//                          id, known, wish }; answer with view.receive(bytes) that holds the planes not `known`
//              offline     true: nobody answers; a plane that is not in the bytes is said to be missing
//   view.receive(bytes)    another map, other planes, or the answer to tell
//   view.go({ mode, layer, head, heads, token, lens, shape })  shows that, as far as its planes are there
//   view.close()           lets go of observers and timers
//
// The scripts are one module: joined in the order of files.txt. mount.js alone is Streamlit's.

const NOTIFY_AFTER = 90; // ms: a held arrow key tells Python where it stopped, not every step

class View {
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.map = null;
    this.mode = "head";
    this.selection = { layer: 0, head: 0 };
    this.overlay = new Overlay(this);
    this.token = 0;
    this.lens = "difference";
    this.shape = { ...AS_IT_IS };
    this.wish = {}; // what the page wanted last: only what is new in it is followed
    this.turn = -1; // counts what the user told, to tell stale answers from new wishes
    this.received = -1;
    this.asks = { sign: "", count: 0 };
    this.planes = new Planes(options.offline ? Infinity : undefined);
    this.hovered = null;
    this.pinned = null;
    this.tip = new Tip(root);
    this.live = this.find(".live");
    this.heads = new Heads(this);
    this.lines = new Lines(this);
    this.matrices = new Matrices(this);
    this.follow = new Follow(this);
    this.controls = new Controls(this);
    this.chosen = new Chosen(this);
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.pin(null);
    });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(root);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  active() {
    return this.root.getRootNode().activeElement; // inside a shadow root the document does not know it
  }

  get focus() {
    return this.hovered ?? this.pinned;
  }

  get plane() {
    return this.shown?.plane;
  }

  figure(at) {
    if (this.mode === "flow" && this.plane[at] === 0) return "–"; // only some positions were asked for
    return this.shown.kind === "difference" ? signedFigure(this.plane[at]) : figure(this.plane[at]);
  }

  // ------------------------------------------------------------- from Python

  receive(bytes) {
    const packet = unpack(bytes);
    const fresh = this.map === null || this.map.id !== packet.id;
    if (fresh) this.take(packet);
    this.map.controls = packet.controls;
    this.listens = packet.listens;
    this.planes.add(packet.arrived);
    this.received = packet.turn;
    if (this.mode !== packet.mode) this.live.textContent = "";
    this.mode = packet.mode;
    if (packet.turn >= this.turn || fresh) {
      this.turn = Math.max(this.turn, packet.turn);
      this.selection = { layer: packet.layer, head: packet.head };
      const news = Object.entries(packet.wish).filter(
        ([name, value]) => JSON.stringify(value) !== JSON.stringify(this.wish[name]),
      );
      this.adopt(Object.fromEntries(news));
      this.wish = packet.wish;
    }
    this.colours(packet.colors);
    if (fresh) {
      this.heads.load();
      this.matrices.arrange();
    }
    this.draw();
  }

  // Another map: what belongs to the old one goes, what the user set stays as far as it fits.
  take(packet) {
    this.map = packet;
    this.sides = { rows: packet.rows, columns: packet.columns ?? packet.rows };
    this.planes.reset(packet);
    this.hovered = null;
    this.pinned = null;
    this.shown = null;
    this.framed = null;
    this.overlay.fit(packet);
    this.token = Math.min(this.token, packet.rows.tokens.length - 1);
    this.paired = packet.columns === null && packet.rows.segments.includes(1);
    this.root.toggleAttribute("data-pair", this.paired);
    this.root.toggleAttribute("data-compare", packet.base !== null);
    this.live.textContent = "";
  }

  // What the page wants; what it does not name stays.
  adopt({ heads, token, lens, shape }) {
    if (heads) this.overlay.adopt(heads);
    if (token !== undefined) this.token = Math.min(token, this.map.rows.tokens.length - 1);
    if (lens) this.lens = lens;
    if (shape) this.shape = { ...AS_IT_IS, ...shape };
  }

  go({ mode, layer, head, ...wish }) {
    this.mode = mode ?? this.mode;
    this.selection = { layer: layer ?? this.selection.layer, head: head ?? this.selection.head };
    this.adopt(wish);
    this.draw();
  }

  colours(colors) {
    const theme = readTheme(this.root, this.theme);
    if (theme === this.theme) return;
    this.theme = withPalette(theme, colors[theme.dark ? "dark" : "light"]);
    this.root.style.setProperty("--first", theme.inks[0]);
    this.root.style.setProperty("--second", theme.inks[1]);
  }

  // ------------------------------------------------------------- by the user

  choose(selection) {
    const same = selection.layer === this.selection.layer && selection.head === this.selection.head;
    this.selection = selection;
    if (!same) this.changed();
  }

  // Takes a head in, or out again.
  toggle(place) {
    if (this.mode !== "head" || this.map.base !== null) this.choose(place);
    else if (this.overlay.toggle(place)) this.changed();
    else this.live.textContent = `At least one and at most ${MOST_HEADS} heads are laid over each other.`;
  }

  overlaying(on) {
    this.overlay.turn(on);
    this.changed();
  }

  changed() {
    this.heads.select();
    this.show();
    this.live.textContent = titleOf(this);
    this.say();
  }

  reshape(change) {
    this.shape = { ...this.shape, ...change };
    this.show();
    if (this.listens) this.say(250);
  }

  look(lens) {
    this.lens = lens;
    this.draw();
    if (this.listens) this.say();
  }

  follows(token) {
    this.token = token;
    this.show();
    this.say();
  }

  say(after = NOTIFY_AFTER) {
    if (this.options.offline || !this.options.tell) return;
    this.turn += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.options.tell(this.looks()), after);
  }

  looks() {
    return {
      ...this.selection,
      heads: this.overlay.others,
      token: this.token,
      lens: this.lens,
      shape: this.shape,
      turn: this.turn,
      id: this.map.id,
      known: this.planes.keys(),
      wish: this.wish,
    };
  }

  focusOn(focus) {
    const before = this.hovered;
    this.hovered = focus;
    if (this.plane && JSON.stringify(focus) !== JSON.stringify(before)) this.refocus();
  }

  pin(focus) {
    const again = JSON.stringify(focus) === JSON.stringify(this.pinned);
    this.pinned = again ? null : focus;
    if (focus === null) this.hovered = null;
    if (this.plane) this.refocus();
    if (!this.plane || !this.pinned) return;
    this.live.textContent = inWords(this, this.pinned);
    this.lines.reveal(this.pinned);
  }

  // ------------------------------------------------------------- what is shown

  // The shape that acts: what does not apply here is left out.
  asked() {
    const flow = this.mode === "flow";
    return {
      ...this.shape,
      words: this.shape.words && !flow, // flows to the pieces of a word share paths: they do not add up
      shares: !flow,
      temperature: this.mode === "head" ? this.shape.temperature : 1,
      pair: this.paired ? this.shape.pair : "all",
    };
  }

  needed() {
    const { layer } = this.selection;
    if (this.mode === "token") return this.follow.needed();
    const keys =
      this.mode === "head"
        ? this.overlay.all().map((p) => `head:${p.layer}:${p.head}`)
        : [this.mode === "flow" ? "flow" : `${this.mode}:${layer}`];
    return this.map.base === null ? keys : keys.flatMap((key) => [key, `base:${key}`]);
  }

  // Rows and columns: rebuilt only when other tokens stay or form them. A pin stays on its token.
  reframe(asked) {
    const { words, hide_special: special, hide_punctuation: punctuation, pair } = asked;
    const sign = JSON.stringify([this.map.id, words, special, punctuation, pair]);
    if (sign === this.framed) return;
    const old = this.frame;
    this.frame = frameOf(this.sides.rows, this.sides.columns, asked);
    this.framed = sign;
    this.hovered = null;
    if (this.pinned !== null && old) this.pinned = moved(this.pinned, old, this.frame);
    this.lines.load();
  }

  // ------------------------------------------------------------- drawing

  draw() {
    this.drawn = null;
    this.root.dataset.mode = this.mode;
    this.heads.draw();
    this.show();
  }

  show() {
    const missing = this.needed().filter((key) => !this.planes.has(key));
    this.wait(missing);
    this.controls.draw();
    this.chosen.draw();
    if (missing.length === 0) {
      if (this.mode === "token") [this.heads, this.follow].forEach((part) => part.draw());
      else this.showPlane();
    }
    this.write();
  }

  showPlane() {
    const asked = this.asked();
    this.reframe(asked);
    const sign = JSON.stringify([this.framed, this.needed(), asked, this.lens, this.theme.sign, this.overlay.on]);
    if (sign === this.drawn) return;
    this.drawn = sign;
    this.heads.draw(); // where squares follow the shape
    this.root.toggleAttribute("data-nothing", this.frame.rows.length * this.frame.columns.length === 0);
    this.shown = computeShown(this, asked);
    this.lines.draw();
    this.matrices.draw();
  }

  // Planes that are not here: they are asked for, unless the answer is on its way or nobody answers.
  wait(missing) {
    this.waiting = missing.length > 0;
    this.root.toggleAttribute("data-waiting", this.waiting && !this.options.offline);
    this.root.toggleAttribute("data-missing", this.waiting && Boolean(this.options.offline));
    if (!this.waiting || this.received < this.turn) return;
    const sign = missing.join();
    this.asks = this.asks.sign === sign ? { sign, count: this.asks.count + 1 } : { sign, count: 1 };
    if (this.asks.count <= 2) this.say();
  }

  write() {
    const notes = notesOf(this);
    this.find(".lines .title").textContent = titleOf(this);
    this.find(".heads .note").textContent = notes.heads;
    this.find(".lines .note").textContent = notes.lines;
    this.matrices.note(notes.matrix);
    this.find(".sides .left").textContent = notes.left;
    this.find(".sides .right").textContent = notes.right;
  }

  refocus() {
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame(() => {
      this.lines.mark();
      this.lines.paint();
      this.matrices.paint();
    });
  }

  resized() {
    const width = this.root.clientWidth;
    if (!this.map || width === this.width) return;
    this.width = width;
    this.draw();
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.request);
  }
}

function create(root, bytes, options = {}) {
  const view = new View(root, options);
  view.receive(bytes);
  return view;
}
