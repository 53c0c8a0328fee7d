// Buttons below the text, the note, the list of keys, and the sentences about saving and about nothing left.

class Controls {
  constructor(desk) {
    this.desk = desk;
    this.help = desk.find(".help");
    this.noted = desk.find(".noted");
    this.area = desk.find(".noted textarea");
    this.confirmBox = desk.find(".confirm");
    this.saving = desk.find(".saving");
    this.fault = desk.find(".fault");
    this.refused = desk.find(".refused");
    this.empty = desk.find(".empty");
    this.buttons = {
      back: this.make("←", "Back", "Back to the text before, key left arrow", () => desk.back()),
      forth: this.make("→", "Forward", "Forward, key right arrow", () => desk.forth()),
      undo: this.make("⌫", "Undo", "Undo the last answer, key Backspace", () => desk.undo("click")),
      skip: this.make("S", "Skip", "Skip this text, key S", () => desk.skip("click")),
      flag: this.make("F", "Flag", "Flag this text, key F", () => desk.flag("click")),
      note: this.make("N", "Note", "Note to this text, key N", () => this.openNote()),
      keys: this.make("?", "Keys", "List of keys, key question mark", () => this.toggleHelp()),
    };
    desk.find(".controls").append(...Object.values(this.buttons));
    this.confirm = this.make("Enter", "Give these labels", "Give the chosen labels, key Enter", () => desk.confirm("click"));
    this.none = this.make("0", "None of them applies", "None of the labels applies, key 0", () => desk.none("click"));
    this.confirmBox.append(this.confirm, this.none);
    desk.find(".noted .keep").addEventListener("click", () => this.keepNote());
    desk.find(".noted .drop").addEventListener("click", () => this.shut());
    this.area.addEventListener("keydown", (event) => this.typed(event));
  }

  make(key, text, name, act) {
    const node = button("control", undefined, name, act);
    node.append(element("kbd", "", key), element("span", "", text));
    return node;
  }

  show(cards) {
    const { desk } = this;
    const [card] = cards;
    this.confirmBox.hidden = !desk.settings.several;
    this.none.querySelector("kbd").hidden = desk.labels.byKey.has("0"); // a label has that key
    this.confirm.toggleAttribute("data-ready", cards.some((one) => one.draft));
    const many = desk.many;
    for (const name of ["back", "forth"]) this.buttons[name].hidden = many;
    this.buttons.forth.disabled = !many && (!card || (!card.done && !card.answer));
    for (const name of ["skip", "flag", "note"]) this.buttons[name].disabled = !card;
    this.buttons.note.disabled = cards.length !== 1;
    this.buttons.flag.setAttribute("aria-pressed", String(Boolean(card?.flagged)));
    this.buttons.note.setAttribute("aria-pressed", String(Boolean(card?.note)));
    if (this.card && this.card !== card) this.shut();
  }

  // ------------------------------------------------------------- note

  openNote() {
    const cards = this.desk.ready();
    if (cards.length > 1) return this.desk.say("A note belongs to one text: select just one.");
    if (!cards.length) return;
    this.card = cards[0];
    this.noted.hidden = false;
    this.area.value = this.card.note;
    this.area.focus();
  }

  typed(event) {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape") this.shut();
    else if (event.key === "Enter" && !event.shiftKey) this.keepNote();
    else return;
    event.preventDefault();
  }

  keepNote() {
    const note = this.area.value.trim();
    const { card } = this;
    this.shut();
    if (!card || note === card.note) return;
    this.desk.mark(card, { note }, "n");
    this.desk.say(note ? "Note kept." : "Note taken away.");
    this.desk.show();
  }

  shut() {
    this.card = null;
    this.help.hidden = true;
    if (this.noted.hidden) return;
    this.noted.hidden = true;
    this.desk.root.focus({ preventScroll: true });
  }

  // ------------------------------------------------------------- keys

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    if (this.help.hidden) return;
    const several = this.desk.settings.several;
    const rows = [
      [several ? "digits, letters" : "digits, letters", several ? "choose a label, or take it away" : "give the label that shows this key"],
      ["/", "find a label by typing its name; Enter takes the first"],
      ["Enter", several ? "give the chosen labels, or accept the suggestion" : "accept the suggestion"],
      ...(several ? [["0", "none of the labels applies"]] : []),
      ["Backspace or U", "undo; on an earlier text: take its answer away"],
      ["S", "skip the text"],
      ["F", "flag it, to look at it again"],
      ["N", "write a note to it"],
    ];
    const one = [["← →", "back and forth; a label key changes an earlier answer"], ["Space", "scroll a long text"]];
    const many = [["↑ ↓", "move in the list"], ["Space", "select; with Shift up to here"], ["Shift ↑ ↓", "select several"], ["Esc", "select none"], ["→", "next texts"]];
    const table = element("dl");
    for (const [key, words] of [...rows, ...(this.desk.many ? many : one), ["?", "this list"]]) {
      const pair = element("div");
      pair.append(element("dt", "", key), element("dd", "", words));
      table.append(pair);
    }
    this.help.replaceChildren(table);
    this.help.scrollIntoView({ block: "nearest" });
  }

  // ------------------------------------------------------------- saving

  showSaving(outbox, line) {
    const waiting = outbox.items.length;
    const failing = outbox.failures > 0;
    let words = "";
    if (waiting && failing) words = `${waiting} not saved yet, trying again`;
    else if (waiting) words = `Saving ${waiting} …`;
    else if (outbox.saved) words = "All saved";
    if (this.saving.textContent !== words) this.saving.textContent = words;
    this.saving.toggleAttribute("data-failing", failing);
    const asks = line.fetching === false && line.failures > 0 && !line.ended;
    let sentence = failing && waiting ? outbox.sentence : "";
    if (!sentence && asks) sentence = line.fault || "The server does not answer. The desk goes on as soon as it is back.";
    if (outbox.expired) sentence = `${outbox.sentence || line.fault} ${waiting ? "Your answers are kept in this browser." : ""}`.trim();
    if (!outbox.keeps && waiting && failing) sentence = `${sentence} This browser keeps nothing for us: leave this tab open until all is saved.`;
    if (this.fault.textContent !== sentence) this.fault.textContent = sentence;
    this.fault.hidden = !sentence;
    this.showRefused(outbox);
  }

  showRefused(outbox) {
    const { length } = outbox.refused;
    this.refused.hidden = !length;
    if (!length || this.refused.dataset.shown === String(length)) return;
    this.refused.dataset.shown = String(length);
    const sentence = outbox.refused.at(-1).sentence;
    const words = element("span", "", `${counted(length, "answer")} could not be saved. ${sentence}`);
    const gone = button("discard", "Forget them", null, () => {
      this.refused.dataset.shown = "";
      outbox.discard();
    });
    this.refused.replaceChildren(words, gone);
  }

  // ------------------------------------------------------------- nothing left

  showEmpty(empty) {
    const { line, settings } = this.desk;
    this.empty.hidden = !empty;
    if (!empty) return;
    const words = line.fault && line.ended ? line.fault : line.ended ? this.nothing(settings.wish) : "Fetching texts …";
    const parts = [element("p", "", words)];
    if (line.ended) parts.push(button("again", "Look again", null, () => line.again()));
    this.empty.replaceChildren(...parts);
  }

  nothing({ strategy, query }) {
    if (query) return `No text without your answer fits “${query}”.`;
    if (strategy === "errors") return "No label that you may look at seems wrong to the model.";
    if (strategy === "disagree") return "There is no text that you have not answered and where others disagree. Settle the rest under People.";
    const { done, total } = this.desk.progress.figures;
    if (done && done >= total) return "All texts have your answer. Well done.";
    return "No text is free for you now: the rest lies on the desks of others, or has enough answers.";
  }
}
