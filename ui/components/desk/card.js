// One text at a time: what there is to know of it, the text whole, the suggestion.

class CardView {
  constructor(desk) {
    this.desk = desk;
    this.box = desk.find(".one");
    this.about = desk.find(".about");
    this.text = desk.find(".text");
    this.suggested = desk.find(".suggested");
    this.offer = button("accept", undefined, null, () => desk.accept("click"));
    this.text.addEventListener("scroll", () => this.cut());
    new ResizeObserver(() => this.cut()).observe(this.text);
  }

  clear() {
    this.row = null;
    this.text.textContent = "";
  }

  show(card) {
    if (this.row !== card.row) {
      this.row = card.row;
      this.text.textContent = card.text;
      this.text.scrollTop = 0;
      this.cut();
    }
    this.about.replaceChildren(...badges(card, this.desk));
    this.suggested.hidden = !this.desk.settings.suggestions && !card.evaluation;
    this.suggested.replaceChildren(...this.offering(card, this.desk.suggestion(card)));
  }

  down() {
    this.text.scrollBy({ top: this.text.clientHeight * 0.8 });
  }

  // A text longer than its box shows that it goes on.
  cut() {
    const rest = this.text.scrollHeight - this.text.clientHeight - this.text.scrollTop;
    this.text.toggleAttribute("data-more", rest > 4);
  }

  offering(card, suggestion) {
    if (card.evaluation) {
      const why = "Evaluation text: no suggestion is shown, and it is never trained on.";
      return [element("span", "quiet", why)];
    }
    if (!suggestion) return [element("span", "quiet", "No suggestion yet for this text.")];
    const { labels } = this.desk;
    const names = suggestion.labels.map((id) => labels.byId.get(id)).filter(Boolean);
    this.offer.replaceChildren(element("kbd", "", "Enter"));
    for (const label of names) this.offer.append(dot(label.color), named("name", label.name));
    const share = percentWords(suggestion.probability);
    this.offer.append(element("span", "share", share));
    const said = names.map((label) => label.name).join(", ");
    this.offer.setAttribute("aria-label", `Accept the suggestion ${said}, ${share}, key Enter`);
    const by = suggestion.by === "names" ? "by the names of the labels" : "by the model so far";
    return [element("span", "quiet", "Suggestion"), this.offer, element("span", "quiet", by)];
  }
}

function badges(card, desk) {
  const found = [element("span", "place", `Text ${(card.row + 1).toLocaleString("en-US")}`)];
  if (card.evaluation) found.push(element("span", "badge", "Evaluation"));
  if (card.twins && desk.settings.spread) found.push(element("span", "quiet", `${counted(card.twins, "identical text")} get${card.twins === 1 ? "s" : ""} the same label`));
  if (card.answer) found.push(...given(card, desk));
  if (card.flagged) found.push(element("span", "badge flag", "Flagged"));
  if (card.note) {
    const note = element("span", "quiet note", `Note: ${card.note}`);
    note.dir = "auto";
    found.push(note);
  }
  return found;
}

// The answer that a text has, as chips.
function given(card, desk) {
  if (card.answer.state === "skipped") return [element("span", "badge", "Skipped")];
  if (card.answer.state !== "labelled") return [];
  const known = card.answer.labels.map((id) => desk.labels.byId.get(id)).filter(Boolean);
  if (!known.length) return [element("span", "badge", "None of the labels")];
  return known.map((label) => {
    const chip = element("span", "chip");
    chip.append(dot(label.color), named("name", label.name));
    return chip;
  });
}
