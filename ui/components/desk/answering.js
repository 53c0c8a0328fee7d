// What a press means for texts: an answer, its copy on identical texts, its way to the outbox, and back again.

class Answering {
  constructor(desk) {
    this.desk = desk;
    this.undone = []; // actions that can be taken back, the newest last
    this.shownAt = performance.now();
    this.hidden = 0;
    this.watch = () => {
      if (document.hidden) this.hiddenAt = performance.now();
      else if (this.hiddenAt) this.hidden += performance.now() - this.hiddenAt;
    };
    document.addEventListener("visibilitychange", this.watch);
  }

  // The clock of the text on the screen begins anew.
  begin() {
    this.shownAt = performance.now();
    this.hidden = 0;
  }

  seconds() {
    return Math.round(performance.now() - this.shownAt - this.hidden) / 1000;
  }

  // Gives all the cards the same state and labels; with one key, taken back as one.
  give(cards, labels, state, key) {
    const bulk = cards.length > 1;
    const seconds = bulk ? null : this.seconds();
    const action = { steps: [], at: this.desk.line.at };
    for (const card of cards) {
      const suggestion = card.done && card.answer ? card.answer.suggestion ?? null : this.desk.suggestion(card);
      const source = bulk ? "bulk" : sourceOf(suggestion, labels, state);
      this.put(action, card, { labels, state, key, seconds, source, suggestion });
    }
    this.undone.push(action);
    return action;
  }

  // Flag or note of an answered text: the answer again, with that changed.
  amend(card, key) {
    const { labels, state, source, suggestion } = asBefore(card);
    const action = { steps: [], at: this.desk.line.at };
    this.put(action, card, { labels, state, key, seconds: null, source, suggestion });
    this.undone.push(action);
  }

  // Flag or note of a text without an answer: kept for when it is open again, also after a reload.
  jot({ row, flagged, note }, key) {
    this.send(row, { ...asBefore({ flagged, note }), key, seconds: null });
  }

  put(action, card, { labels, state, key, seconds, source, suggestion }) {
    const answer = { labels, state, flagged: card.flagged, note: card.note, source, suggestion };
    this.send(card.row, { ...answer, key, seconds });
    this.lay(action, card, answer, false);
    if (!this.desk.settings.spread || !card.twins) return;
    const { cards } = this.desk.line;
    const twins = cards.filter((other) => other !== card && other.hash === card.hash && (!other.answer || other.answer.source === "spread"));
    twins.forEach((other) => this.lay(action, other, { ...answer, source: "spread" }, true));
  }

  lay(action, card, answer, copied) {
    const before = { answer: card.answer, done: card.done, draft: card.draft, flagged: card.flagged, note: card.note };
    action.steps.push({ card, before, copied });
    this.desk.progress.change(card, card.answer, answer);
    Object.assign(card, { answer, done: true, draft: null, flagged: answer.flagged, note: answer.note, touched: true });
  }

  send(row, answer) {
    this.desk.outbox.add({ row, stamp: this.desk.outbox.nextStamp(), ...answer });
  }

  // Takes the last action back. Returns its cards, or none.
  undo(key) {
    const action = this.undone.pop();
    if (!action) return [];
    for (const { card, before, copied } of action.steps.toReversed()) {
      if (!copied) this.send(card.row, { ...asBefore(before), key, seconds: null });
      this.desk.progress.change(card, card.answer, before.answer);
      Object.assign(card, before);
    }
    return action.steps.filter((step) => !step.copied).map((step) => step.card);
  }

  // Takes away the answer of a text from earlier on.
  clear(card, key) {
    this.undone = this.undone.filter((action) => !action.steps.some((step) => step.card === card));
    this.send(card.row, { ...asBefore({ flagged: false, note: "" }), key, seconds: null });
    this.desk.progress.change(card, card.answer, null);
    Object.assign(card, { answer: null, done: false, draft: null, flagged: false, note: "", touched: true });
  }

  close() {
    document.removeEventListener("visibilitychange", this.watch);
  }
}

function asBefore({ answer, flagged, note }) {
  if (!answer) return { labels: [], state: "cleared", flagged, note, source: "alone", suggestion: null };
  const { labels, state, source = "alone", suggestion = null } = answer;
  // Copies and imports become his own word when he puts them back.
  return { labels, state, source: ["spread", "imported"].includes(source) ? "alone" : source, suggestion, flagged: answer.flagged ?? false, note: answer.note ?? "" };
}

function sourceOf(suggestion, labels, state) {
  if (!suggestion || state !== "labelled") return "alone";
  const [one, other] = [suggestion.labels, labels].map((ids) => [...ids].sort().join());
  return one === other ? "accepted" : "changed";
}

// How far: the server's figures, and on top of them what it does not know yet.
class Progress {
  constructor(desk) {
    this.desk = desk;
    this.box = desk.find(".progress");
    this.fill = desk.find(".bar span");
    this.figures = { done: 0, total: 0, today: 0, labels: {}, rate: null, seconds_left: null };
  }

  load(figures) {
    if (figures) this.figures = { ...figures, labels: { ...figures.labels } };
  }

  get left() {
    return Math.max(0, this.figures.total - this.figures.done);
  }

  get counts() {
    return this.figures.labels;
  }

  change(card, before, after) {
    const [was, is] = [before, after].map((answer) => (answer && answer.state !== "cleared" ? answer : null));
    const step = (is ? 1 : 0) - (was ? 1 : 0);
    this.figures.done += step;
    this.figures.today = Math.max(0, this.figures.today + step);
    for (const id of was?.labels ?? []) this.counts[id] = Math.max(0, (this.counts[id] ?? 0) - 1);
    for (const id of is?.labels ?? []) this.counts[id] = (this.counts[id] ?? 0) + 1;
  }

  show() {
    const { done, total, today, rate, seconds_left: left } = this.figures;
    const parts = [[`${done.toLocaleString("en-US")} of ${counted(total, "text")}`, "done"], [`${today.toLocaleString("en-US")} today`, "today"]];
    if (rate) parts.push([`${Math.round(rate).toLocaleString("en-US")} an hour`, "rate"]);
    if (rate && left > 0) parts.push([`${durationWords(left)} left`, "left"]);
    this.box.replaceChildren(...parts.map(([words, kind]) => element("span", kind, words)));
    this.fill.style.width = `${total ? Math.min(100, (100 * done) / total) : 0}%`;
  }
}
