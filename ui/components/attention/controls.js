// The bar that shapes the weights: merge word pieces, hide tokens, filter a pair, temperature, threshold; with a
// base, what is shown of the two. Everything it does happens in the browser at once.

class Controls {
  constructor(view) {
    this.view = view;
    this.bar = view.find(".bar");
    this.more = this.bar.querySelector(".more");
    this.sliders = this.bar.querySelector(".sliders");
    this.inputs = {
      temperature: this.bar.querySelector("[name=temperature]"),
      threshold: this.bar.querySelector("[name=threshold]"),
    };
    this.bar.addEventListener("click", (event) => this.click(event.target.closest("button")));
    this.inputs.temperature.addEventListener("input", ({ target }) =>
      view.reshape({ temperature: 2 ** Number(target.value) }),
    );
    this.inputs.threshold.addEventListener("input", ({ target }) => view.reshape({ threshold: Number(target.value) }));
  }

  click(button) {
    if (!button) return;
    const { flag, pair, lens } = button.dataset;
    if (flag) this.view.reshape({ [flag]: !this.view.shape[flag] });
    else if (pair) this.view.reshape({ pair });
    else if (lens) this.view.look(lens);
    else if (button === this.more) this.open(this.sliders.hidden);
    else this.view.reshape({ ...AS_IT_IS });
  }

  open(wanted) {
    this.sliders.hidden = !wanted;
    this.more.setAttribute("aria-expanded", String(wanted));
  }

  draw() {
    const { map, shape, lens, mode } = this.view;
    this.bar.hidden = !map.controls && map.base === null;
    this.bar.toggleAttribute("data-plain", !map.controls);
    const part = (name) => this.bar.querySelector(name);
    part(".lenses").hidden = map.base === null;
    part(".pairing").hidden = !this.view.paired;
    part("[data-flag=words]").disabled = mode === "flow";
    part("[data-flag=words]").hidden = !map.rows.words.some((word, k) => word >= 0 && word === map.rows.words[k - 1]);
    for (const button of this.bar.querySelectorAll("button[data-flag]")) press(button, shape[button.dataset.flag]);
    for (const button of this.bar.querySelectorAll("button[data-pair]")) press(button, button.dataset.pair === shape.pair);
    for (const button of this.bar.querySelectorAll("button[data-lens]")) press(button, button.dataset.lens === lens);
    const single = mode === "head"; // an average or a rollout has no scores that could be divided
    this.set("temperature", Math.log2(shape.temperature), single ? shape.temperature.toFixed(2) : "single heads only");
    this.inputs.temperature.disabled = !single;
    this.set("threshold", shape.threshold, shape.threshold === 0 ? "none" : shape.threshold.toFixed(2));
    part(".reset").hidden = Object.entries(AS_IT_IS).every(([name, value]) => shape[name] === value);
    if (shape.temperature !== 1 || shape.threshold !== 0) this.open(true); // what acts is in sight
  }

  set(name, value, text) {
    const input = this.inputs[name];
    if (Number(input.value) !== value) input.value = String(value);
    input.parentElement.querySelector("output").textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(Boolean(on)));
}

// The heads laid over each other, named in their colours, each with a way to leave.
class Chosen {
  constructor(view) {
    this.view = view;
    this.list = view.find(".chosen");
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) view.toggle({ layer: Number(button.dataset.layer), head: Number(button.dataset.head) });
    });
  }

  draw() {
    const heads = this.view.overlay.acts ? this.view.overlay.all() : [];
    heads.sort((a, b) => a.layer - b.layer || a.head - b.head);
    this.list.hidden = heads.length === 0;
    const chips = heads.map((place) => {
      const name = `Layer ${place.layer + 1}, head ${place.head + 1}`;
      const chip = element("li", "", name);
      chip.style.setProperty("--ring", css(this.view.overlay.color(place)));
      if (heads.length > 1) {
        const leave = element("button", "", "×");
        leave.type = "button";
        leave.dataset.layer = place.layer;
        leave.dataset.head = place.head;
        leave.setAttribute("aria-label", `Take away ${name}`);
        chip.append(leave);
      }
      return chip;
    });
    this.list.replaceChildren(...chips);
  }
}
