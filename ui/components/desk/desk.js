// The whole: takes settings from Python, turns keys and clicks into answers, and tells the drawings.

const REPORT_AFTER = 3000; // ms without an answer, then Python hears of the counts

class Desk {
  constructor(root) {
    this.root = root;
    this.settings = {};
    this.labels = new Labels(this);
    this.view = new CardView(this);
    this.list = new ListView(this);
    this.progress = new Progress(this);
    this.controls = new Controls(this);
    this.keys = new Keys(this);
    // A click leaves the focus where it is: Enter then means the suggestion, not the button again.
    root.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
    this.left = () => this.line.leave();
    this.returned = (event) => event.persisted && this.line.start(this.settings.wish);
    window.addEventListener("pagehide", this.left);
    window.addEventListener("pageshow", this.returned);
    this.find(".takeback").addEventListener("click", () => this.undo("click"));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  // ------------------------------------------------------------- from Python

  receive(data, tell) {
    this.tell = tell;
    const whose = `${data.dataset}.${data.person}`;
    const first = this.whose !== whose;
    if (first) this.sitDown(whose, data);
    const before = this.settings;
    this.settings = data;
    this.labels.load(data.labels);
    this.outbox.setTicket(data.ticket);
    const wish = JSON.stringify(data.wish);
    if (first || wish !== this.wish) {
      this.wish = wish;
      this.list.shown = [];
      this.line.start(data.wish);
    }
    const changed = before.mode !== data.mode || before.suggestions !== data.suggestions || JSON.stringify(before.wish) !== wish;
    if (first ? !typing(document.activeElement) : changed) this.root.focus({ preventScroll: true });
    if (before.mode !== data.mode) this.list.shown = [];
    this.show();
  }

  sitDown(whose, data) {
    this.standUp();
    this.whose = whose;
    this.said = null;
    this.progress.load(data.progress);
    this.outbox = new Outbox(data.dataset, data.person, {
      changed: () => this.showSaving(),
      progressed: (told, all) => this.progressed(told, all),
    });
    this.looking = this.outbox.lookFor(() => this.line.generation !== null);
    this.line = new Line(this.outbox, { left: () => this.progress.left, changed: () => this.arrived() });
    this.answering = new Answering(this);
  }

  standUp() {
    clearTimeout(this.reporting);
    clearInterval(this.looking);
    this.outbox?.close();
    this.line?.close();
    this.answering?.close();
  }

  close() {
    this.keys.close();
    window.removeEventListener("pagehide", this.left);
    window.removeEventListener("pageshow", this.returned);
    this.standUp();
  }

  // ------------------------------------------------------------- from the server

  arrived() {
    if (this.row !== this.card?.row) this.answering.begin();
    this.show();
  }

  progressed(told, all) {
    if (told.progress && all) this.progress.load(told.progress);
    this.line.renew(told.generation);
    this.show();
    if (told.acknowledged?.length) this.report();
  }

  report(more = {}) {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      this.tell("report", { saved: this.outbox.saved, unsaved: this.outbox.items.length, ...more });
    }, REPORT_AFTER);
  }

  // ------------------------------------------------------------- what is on the desk

  get many() {
    return this.settings.mode === "list";
  }

  get card() {
    return this.line.card;
  }

  // The texts that a key is meant for.
  get targets() {
    if (this.many) return this.list.cards;
    return this.card ? [this.card] : [];
  }

  suggestion(card) {
    return this.settings.suggestions && !card.evaluation ? card.suggestion : null;
  }

  chosen(cards) {
    if (!cards.length) return [];
    if (cards[0].draft) return [...cards[0].draft];
    return cards.every((card) => card.answer) ? cards[0].answer.labels : [];
  }

  // ------------------------------------------------------------- answers

  choose(id, key) {
    const cards = this.ready();
    if (!cards.length) return;
    if (this.settings.several) this.toggle(cards, id);
    else this.give(cards, [id], "labelled", key);
  }

  // With several labels a text: chosen now, given with Enter.
  toggle(cards, id) {
    const draft = new Set(this.chosen(cards));
    if (!draft.delete(id)) draft.add(id);
    cards.forEach((card) => Object.assign(card, { draft: new Set(draft), touched: true }));
    this.murmur(`${this.labels.byId.get(id).name} ${draft.has(id) ? "chosen" : "taken away"}`);
    this.show();
  }

  confirm(key) {
    const cards = this.ready();
    const drafted = cards.some((card) => card.draft);
    if (!drafted) return this.accept(key);
    const labels = this.settings.labels.map((label) => label.id).filter((id) => cards[0].draft?.has(id));
    this.give(cards, labels, "labelled", key);
  }

  accept(key) {
    const cards = this.ready();
    if (!cards.length) return;
    const with_ = cards.filter((card) => this.suggestion(card));
    if (!with_.length) {
      const why = cards[0].evaluation ? "An evaluation text has no suggestion: choose a label." : "There is no suggestion to accept: choose a label.";
      return this.say(why);
    }
    if (with_.length === 1) return this.give(with_, with_[0].suggestion.labels, "labelled", key);
    const actions = Map.groupBy(with_, (card) => card.suggestion.labels.join());
    const steps = [...actions.values()].flatMap((some) => this.answering.give(some, some[0].suggestion.labels, "labelled", key).steps);
    this.answering.undone.splice(-actions.size, actions.size, { steps });
    this.after(`${counted(with_.length, "suggestion")} accepted`);
  }

  none(key) {
    const cards = this.ready();
    if (cards.length) this.give(cards, [], "labelled", key);
  }

  skip(key) {
    const cards = this.ready();
    if (cards.length) this.give(cards, [], "skipped", key);
  }

  give(cards, labels, state, key) {
    const again = cards.length === 1 && cards[0].answer;
    const { steps } = this.answering.give(cards, labels, state, key);
    this.after(this.sentence(cards, labels, state, again, steps));
  }

  sentence(cards, labels, state, again) {
    const names = labels.map((id) => this.labels.byId.get(id)?.name).join(", ") || "none of the labels";
    const what = state === "skipped" ? "Skipped" : `${again ? "Changed to" : "Labelled"} ${names}`;
    const many = cards.length > 1 ? `${what}: ${counted(cards.length, "text")}` : what;
    const twins = this.settings.spread ? cards.reduce((sum, card) => sum + card.twins, 0) : 0;
    return twins ? `${many} · also given to ${counted(twins, "identical text")}` : many;
  }

  after(sentence) {
    this.list.selected.clear();
    if (this.many) this.line.ensure();
    else this.line.advance();
    if (this.many && this.list.shown.every((card) => card.done)) this.list.shown = [];
    this.answering.begin();
    this.say(sentence, true);
    this.show();
  }

  ready() {
    const cards = this.targets;
    const none = this.line.ended ? "There is no text to label here." : "The next texts are on their way.";
    if (!cards.length) this.say(this.many && this.list.shown.length ? "Select texts first: a click, or Space." : none);
    return cards;
  }

  undo(key) {
    const current = this.card;
    const earlier = !this.many && current?.done && current.answer;
    if (earlier && !this.answering.undone.at(-1)?.steps.some((step) => step.card === current)) {
      this.answering.clear(current, key);
      this.say("Answer taken away.");
      return this.show();
    }
    const cards = this.answering.undo(key);
    if (!cards.length) return this.undoEarlier(key);
    if (!this.many) this.line.at = this.line.cards.indexOf(cards[0]);
    this.answering.begin();
    this.say(cards.length > 1 ? `Taken back: ${counted(cards.length, "text")}.` : "Taken back.");
    this.show();
  }

  // After a reload nothing is remembered but the history: its newest answer is the last one.
  undoEarlier(key) {
    const last = this.many ? null : this.line.cards.slice(0, this.line.at).findLast((card) => card.done && card.answer);
    if (!last) return this.say("There is nothing to take back.");
    this.line.at = this.line.cards.indexOf(last);
    this.answering.clear(last, key);
    this.say("The last answer is taken back.");
    this.show();
  }

  flag(key) {
    const cards = this.ready();
    if (!cards.length) return;
    const flagged = !cards[0].flagged;
    for (const card of cards) this.mark(card, { flagged }, key);
    this.say(flagged ? "Flagged." : "No longer flagged.");
    this.show();
  }

  mark(card, change, key) {
    const before = { flagged: card.flagged, note: card.note };
    Object.assign(card, change, { touched: true });
    if (!card.answer) return this.answering.jot(card, key);
    this.answering.amend(card, key);
    Object.assign(this.answering.undone.at(-1).steps[0].before, before);
  }

  back() {
    const at = Math.min(this.line.at, this.line.cards.length) - 1;
    if (at < 0) return this.say("This is the first text of your history here.");
    this.goTo(at);
  }

  forth() {
    const { card, line } = this;
    if (!card) return;
    if (!card.done && !card.answer) return this.say("This is the newest text. S skips it.");
    if (!card.done) {
      card.done = true; // looked at again, and right as it is
      line.advance();
      this.say("Kept as it is.");
      return this.arrived();
    }
    this.goTo(Math.min(line.cards.length, line.at + 1));
  }

  goTo(at) {
    this.line.at = at;
    this.line.ensure();
    this.answering.begin();
    this.say("");
    this.show();
  }

  // ------------------------------------------------------------- drawing

  show() {
    const { card, line } = this;
    const there = this.many ? line.open().length > 0 || this.list.shown.length > 0 : card !== null;
    this.row = card?.row;
    this.view.box.hidden = this.many || !there;
    this.list.box.hidden = !this.many || !there;
    if (!there || this.many) this.view.clear();
    else this.view.show(card);
    if (there && this.many) this.list.show();
    this.controls.showEmpty(!there);
    const cards = this.targets;
    const suggested = cards.length === 1 ? this.suggestion(cards[0])?.labels ?? [] : [];
    this.labels.show({ chosen: this.chosen(cards), suggested, counts: this.progress.counts, usable: cards.length > 0 });
    this.controls.show(cards);
    this.progress.show();
    this.showSaid();
    this.showSaving();
  }

  say(sentence, undoable = false) {
    this.said = { sentence, undoable };
    this.showSaid();
  }

  showSaid() {
    this.find(".said .words").textContent = this.said?.sentence ?? "";
    this.find(".takeback").hidden = !this.said?.undoable;
  }

  murmur(sentence) {
    this.find(".live").textContent = sentence;
  }

  showSaving() {
    if (this.outbox && this.line) this.controls.showSaving(this.outbox, this.line);
    if (this.outbox?.expired && this.asked !== this.settings.ticket) {
      this.asked = this.settings.ticket;
      this.tell("report", { refused: this.settings.ticket });
    }
  }
}

// The desk takes the focus when it opens, from a link or button, but not from a field.
function typing(element) {
  return Boolean(element?.matches("input, textarea, select") || element?.isContentEditable);
}

const desks = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".desk");
  if (!root || !data) return undefined;
  let desk = desks.get(root);
  if (!desk) {
    desk = new Desk(root);
    desks.set(root, desk);
  }
  desk.receive(data, setStateValue);
  return () => {
    desk.close();
    desks.delete(root);
  };
}
