// The texts of this desk in one line: answered ones to the left, open ones to the right, and a cursor of its own.
// Fetches more before they run out, and exchanges what is not yet in sight when there is a newer model.

const BATCH = 50;
const FEWEST = 20; // of a batch: where few texts are left, the others want some too
const LOW = 15; // open texts below which more are fetched: more than a burst of keys takes
const KEEP = 3; // open texts that stay when the rest is ranked anew
const CALM = 4000; // ms between two exchanges

let leaving = null; // the desk before this one, while it gives its texts back

class Line {
  constructor(outbox, { left, changed }) {
    this.outbox = outbox;
    this.left = left; // how many texts there may still be for this person
    this.changed = changed;
    this.reset(null);
  }

  reset(wish) {
    this.wish = wish; // strategy, query, pattern, label
    this.cards = [];
    this.at = 0;
    this.generation = null;
    this.given = []; // rows that go back to the others with the next request
    this.ended = false;
    this.fault = "";
    this.failures = 0;
    this.turn = (this.turn ?? 0) + 1; // answers to an older wish are dropped
    this.fetching = false;
    this.reviews = wish?.strategy === "errors"; // its texts have an answer already
  }

  get card() {
    return this.cards[this.at] ?? null;
  }

  get size() {
    return Math.max(FEWEST, Math.min(BATCH, Math.ceil(this.left() / 4)));
  }

  open() {
    return this.cards.filter((card) => !card.done);
  }

  // To the first text without an answer.
  advance() {
    const next = this.cards.findIndex((card) => !card.done);
    this.at = next < 0 ? this.cards.length : next;
    this.ensure();
  }

  // What was not answered goes back to the others when the wish changes.
  start(wish) {
    const left = this.open().map((card) => card.row);
    this.reset(wish);
    this.given = left;
    if (!this.reviews) this.remember(); // the texts of its history are the very ones to look at again
    this.ensure();
  }

  async remember() {
    const turn = this.turn;
    try {
      const { cards } = await post("history", { ticket: this.outbox.ticket, n: BATCH });
      if (turn !== this.turn) return;
      const known = new Set(this.cards.map((card) => card.row));
      const earlier = cards.filter((card) => !known.has(card.row)).reverse();
      this.cards.unshift(...earlier.map((card) => asCard(card, true)));
      this.at += earlier.length;
      this.changed();
    } catch {
      // Going back then begins with this visit.
    }
  }

  ensure() {
    if (!this.wish || this.fetching || this.ended || this.open().length >= LOW) return;
    this.fetch(this.open().map((card) => card.row));
  }

  // A newer model has ranked the texts: keep what is in sight, exchange the rest.
  renew(generation) {
    if (generation == null || generation === this.generation || this.fetching || !this.wish) return;
    if (performance.now() - (this.renewed ?? -CALM) < CALM) return;
    this.renewed = performance.now();
    const keep = this.generation === null ? 1 : KEEP; // the first model has something to say to all texts
    this.fetch(this.open().slice(0, keep).map((card) => card.row), true);
  }

  async fetch(keep, exchange = false) {
    const turn = this.turn;
    this.fetching = true;
    const answered = this.reviews ? this.cards.filter((card) => card.done).map((card) => card.row) : [];
    const skip = [...new Set([...keep, ...this.outbox.rows(), ...answered])];
    const given = this.given;
    try {
      await leaving;
      const body = { ticket: this.outbox.ticket, n: this.size, skip, ...this.wish };
      if (given.length) body.release = given;
      const told = await post("batch", body);
      if (turn !== this.turn) return;
      this.given = this.given.filter((row) => !given.includes(row));
      this.take(told, exchange ? new Set(keep) : null);
      this.outbox.progressed(told, this.outbox.items.length === 0);
    } catch (error) {
      if (turn === this.turn) this.failed(error);
      return;
    }
    this.changed();
  }

  take({ cards, generation }, keep) {
    this.fetching = false;
    this.fault = "";
    this.failures = 0;
    this.generation = generation ?? null;
    const current = this.card;
    if (keep) {
      const leaves = (card) => !card.done && !keep.has(card.row) && card !== current && !card.touched;
      this.given.push(...this.cards.filter(leaves).map((card) => card.row));
      this.cards = this.cards.filter((card) => !leaves(card));
      const fresh = new Set(cards.map((card) => card.row));
      this.given = this.given.filter((row) => !fresh.has(row));
    }
    const known = new Map(this.cards.map((card) => [card.row, card]));
    const unsent = this.outbox.rows();
    const fresh = cards.filter((card) => !known.has(card.row) && !unsent.has(card.row));
    this.cards.push(...fresh.map((card) => asCard(card, false)));
    this.ended = !keep && fresh.length === 0;
    if (current) this.at = this.cards.indexOf(current);
    else this.advance();
  }

  failed(error) {
    this.fetching = false;
    this.failures += 1;
    const refused = error instanceof Refusal && error.status < 500 && error.status !== 429;
    this.fault = error instanceof Refusal ? error.message : "";
    this.outbox.expired = this.outbox.expired || (refused && error.status === 401);
    if (refused) this.ended = true;
    else this.timer = setTimeout(() => this.ensure(), Math.min(SLOWEST, 400 * 2 ** this.failures));
    this.changed();
  }

  again() {
    this.ended = false;
    this.ensure();
  }

  // The desk is left: what lies open on it is free for others at once, not only when its lease ends.
  leave() {
    const rows = [...this.open().map((card) => card.row), ...this.given];
    if (!rows.length || !this.outbox.ticket) return;
    leaving = post("release", { ticket: this.outbox.ticket, rows }, { keepalive: true }).catch(() => {});
  }

  close() {
    this.leave();
    clearTimeout(this.timer);
    this.turn += 1;
    this.wish = null;
  }
}

// A card as the desk keeps it. `draft`: the labels chosen but not confirmed, where a text may have several.
function asCard(card, done) {
  const answer = card.answer && card.answer.state !== "cleared" ? card.answer : null;
  const { flagged = false, note = "" } = card.answer ?? {}; // also of an open text
  return { ...card, answer, done, draft: null, flagged, note };
}
