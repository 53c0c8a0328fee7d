// Answers on their way to the server. An answer leaves this box only when the server says that it is committed; until
// then it also lies in the browser's storage, where the next desk of the same person finds it after a reload.
// Each has a session and a number, so that sending it twice does no harm.

const AT_ONCE = 40; // answers of one request
const KEEPALIVE_BYTES = 60000; // browsers refuse more in a request that outlives its page
const PATIENCE = 12000; // ms for one request
const SLOWEST = 8000; // ms between two tries
const LOOK = 5000; // ms between two looks for something new, where nothing is sent
const LOOKS = 24;

class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function post(path, body, { keepalive = false } = {}) {
  const text = JSON.stringify(body);
  const answer = await fetch(`/api/labels/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: text,
    keepalive: keepalive && text.length < KEEPALIVE_BYTES,
    signal: AbortSignal.timeout(PATIENCE),
  });
  const json = (answer.headers.get("content-type") ?? "").includes("json") ? await answer.json() : {};
  if (!answer.ok) throw new Refusal(answer.status, json.fault ?? `The server refused it (${answer.status}).`);
  return json;
}

class Outbox {
  constructor(dataset, person, { changed, progressed }) {
    this.prefix = `finesift.unsent.${dataset}.${person}.`;
    this.session = newSession();
    this.seq = 0;
    this.stamp = 0;
    this.changed = changed;
    this.progressed = progressed;
    this.items = [];
    this.refused = [];
    this.failures = 0;
    this.sentence = "";
    this.saved = 0;
    this.keeps = true; // the browser lets us store
    this.alone = false; // after a refusal: one by one, to find the answer that was meant
    this.restore();
    this.retry = () => this.flush();
    this.leave = () => this.flush({ leaving: true });
    window.addEventListener("online", this.retry);
    window.addEventListener("pagehide", this.leave);
  }

  restore() {
    try {
      for (let i = 0; i < localStorage.length; i += 1) {
        const key = localStorage.key(i);
        if (!key.startsWith(this.prefix)) continue;
        const item = JSON.parse(localStorage.getItem(key));
        if (item && typeof item.session === "string" && Number.isInteger(item.seq)) this.items.push(item);
      }
    } catch {
      this.keeps = false;
    }
    this.items.sort((one, other) => one.stamp - other.stamp);
    this.stamp = this.items.at(-1)?.stamp ?? 0;
    this.restored = this.items.length;
  }

  // Microseconds since 1970, each greater than the one before.
  nextStamp() {
    this.stamp = Math.max(this.stamp + 1, Date.now() * 1000);
    return this.stamp;
  }

  add(answer) {
    this.seq += 1;
    const item = { session: this.session, seq: this.seq, ...answer };
    this.items.push(item);
    try {
      localStorage.setItem(this.key(item), JSON.stringify(item));
    } catch {
      this.keeps = false;
    }
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.flush(), 0); // what comes in one burst goes in one request
  }

  key(item) {
    return `${this.prefix}${item.session}.${item.seq}`;
  }

  drop(item) {
    try {
      localStorage.removeItem(this.key(item));
    } catch {
      this.keeps = false;
    }
  }

  rows() {
    return new Set(this.items.map((item) => item.row));
  }

  // A new ticket: what was refused for the old one goes again.
  setTicket(ticket) {
    if (ticket === this.ticket) return;
    this.ticket = ticket;
    this.expired = false;
    this.flush();
  }

  async flush({ leaving = false } = {}) {
    if (!this.ticket || (this.sending && !leaving) || (!this.items.length && this.greeted)) return;
    clearTimeout(this.timer);
    const session = this.items[0]?.session ?? this.session;
    const some = this.items.filter((item) => item.session === session).slice(0, this.alone ? 1 : AT_ONCE);
    this.sending = true;
    this.changed();
    try {
      const sent = some.map(({ session: _session, ...item }) => item);
      const told = await post("answers", { ticket: this.ticket, session, sent }, { keepalive: true });
      this.greeted = true;
      this.acknowledge(session, told);
    } catch (error) {
      this.failed(error, some);
    } finally {
      this.sending = false;
    }
    if (this.items.length) this.timer = setTimeout(this.retry, this.failures ? this.wait() : 0);
    this.changed();
  }

  acknowledge(session, told) {
    const numbers = new Set(told.acknowledged);
    const never = new Map(Object.entries(told.refused ?? {}).map(([seq, sentence]) => [Number(seq), sentence]));
    const of = (item, seqs) => item.session === session && seqs.has(item.seq);
    const done = this.items.filter((item) => of(item, numbers));
    const wrong = this.items.filter((item) => of(item, never));
    wrong.forEach((item) => this.refused.push({ item, sentence: never.get(item.seq) }));
    this.items = this.items.filter((item) => !of(item, numbers) && !of(item, never));
    done.forEach((item) => this.drop(item));
    this.saved += done.length;
    this.failures = done.length || wrong.length || !this.items.length ? 0 : this.failures + 1;
    if (!this.failures) this.sentence = "";
    this.alone = this.alone && this.items.length > 0;
    this.progressed(told, this.items.length === 0);
  }

  failed(error, some) {
    const status = error instanceof Refusal ? error.status : 0;
    if (status === 401 || status === 403) {
      this.expired = true;
      this.failures += 1;
      this.sentence = error.message;
    } else if ((status === 400 || status === 413 || status === 422) && some.length === 1) {
      this.items = this.items.filter((item) => item !== some[0]);
      this.refused.push({ item: some[0], sentence: error.message });
      this.failures = 0;
    } else if (status === 400 || status === 413 || status === 422) {
      this.alone = true;
      this.failures = 0;
    } else {
      this.failures += 1;
      this.sentence = status
        ? error.message
        : "The server does not answer. Your answers are kept in this browser and go out as soon as it is back. Close the message about the connection and go on.";
    }
  }

  // Asks the server now and then, though there is nothing to send, until `found`. Returns the timer.
  lookFor(found) {
    let looks = 0;
    const timer = setInterval(() => {
      if (found() || looks >= LOOKS) clearInterval(timer);
      else if (!document.hidden && !this.failures) {
        looks += 1;
        this.greeted = false;
        this.flush();
      }
    }, LOOK);
    return timer;
  }

  wait() {
    return Math.min(SLOWEST, 400 * 2 ** Math.min(this.failures, 6)) * (0.75 + Math.random() / 2);
  }

  discard() {
    this.refused.forEach(({ item }) => this.drop(item));
    this.refused = [];
    this.changed();
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.soon);
    window.removeEventListener("online", this.retry);
    window.removeEventListener("pagehide", this.leave);
    if (this.items.length) this.flush({ leaving: true });
  }
}

function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `desk-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
