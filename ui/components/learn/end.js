// Steps 10 and 11: through the other layers, and from [CLS] to the answer.

function layersPicture(view) {
  const { n, i, packet } = view;
  const count = packet.tokens.length;
  const layers = packet.layers;
  const start = n.row("hidden", 0, i);
  const rows = make("div", "tower");
  const wide = layers > 8 ? 34 : 48;
  rows.style.setProperty("--thumb", `${wide}px`);
  rows.append(make("span"), make("span", "th", "attention"), make("span", "th", `state of “${view.token(i)}”`), make("span", "th", "like its start"));
  const top = usual(n.row("hidden", layers, i), start);
  for (let l = layers; l >= 0; l -= 1) {
    const state = n.row("hidden", l, i);
    const alike = cosine(state, start);
    const title = l === 0 ? `first state of “${view.token(i)}”` : `state of “${view.token(i)}” after layer ${l}`;
    const name = make("button", "token end", l === 0 ? "embedding" : `layer ${l}`);
    name.type = "button";
    name.toggleAttribute("data-on", l === view.layer + 1);
    if (l > 0) name.addEventListener("click", () => view.pick({ layer: l - 1 }));
    else name.disabled = true;
    let thumb = make("span");
    if (l > 0) {
      const data = n.row("means", l - 1);
      const most = Math.max(0.2, ...data);
      thumb = pixels(count, count, (k) => shareColor(view.ink, data[k], most));
      thumb.classList.add("mean");
      thumb.title = `Layer ${l}: attention averaged over its ${packet.heads} heads`;
    }
    rows.append(name, thumb, strip(view.ink, state, { top, height: 20, label: title, open: () => view.open({ title, values: state }) }), fullBar(view, Math.max(0, alike), 1, figure(alike), true));
  }
  const told = [];
  if (packet.averaging !== null) {
    told.push(make("p", "quiet below", `Layer ${packet.averaging + 1} was added by Finesift and has learnt nothing: it averages the states of all tokens.`));
  }
  return [make("h4", "", "From below to the top: ", bold(view.token(i)), " layer by layer"), rows, ...told, make("h4", "", "How alike the tokens have become"), alikeness(view)];
}

// Mean cosine between different tokens, a dot a layer.
function alikeness(view) {
  const { n, packet } = view;
  const count = packet.tokens.length;
  const values = [];
  for (let l = 0; l <= packet.layers; l += 1) {
    let [sum, pairs] = [0, 0];
    for (let a = 0; a < count; a += 1) {
      for (let b = a + 1; b < count; b += 1) {
        sum += cosine(n.row("hidden", l, a), n.row("hidden", l, b));
        pairs += 1;
      }
    }
    values.push(pairs ? sum / pairs : 1);
  }
  const x = (l) => 36 + (l / packet.layers) * 590;
  const y = (value) => 118 - Math.max(0, Math.min(1, value)) * 104;
  const picture = drawn("svg", { viewBox: "0 -16 660 166", class: "curve wide", role: "img", "aria-label": `Mean cosine between two tokens: ${figure(values[0])} at the start, ${figure(values.at(-1))} after the last layer` });
  for (const value of [0, 0.5, 1]) {
    picture.append(drawn("line", { x1: 36, x2: 640, y1: y(value), y2: y(value), class: "zero" }), drawn("text", { x: 28, y: y(value) + 4, "text-anchor": "end", class: "tick" }, String(value)));
  }
  const color = css(view.ink.share[190]);
  picture.append(drawn("polyline", { points: values.map((value, l) => `${x(l)},${y(value)}`).join(" "), fill: "none", stroke: color, "stroke-width": 2 }));
  values.forEach((value, l) => {
    picture.append(drawn("circle", { cx: x(l), cy: y(value), r: 4, fill: color }), drawn("text", { x: x(l), y: 138, "text-anchor": "middle", class: "tick" }, l === 0 ? "embedding" : `layer ${l}`));
    if (l === 0 || l === packet.layers) picture.append(drawn("text", { x: x(l), y: y(value) - 10, "text-anchor": "middle", class: "tick" }, figure(value)));
  });
  return make("div", "", picture, make("p", "quiet", "Mean cosine between the states of two different tokens. Where the line rises, the tokens come to share what the whole text says."));
}

// ------------------------------------------------------------------------------------- 11

const MOST_CLASSES = 10;

function answerPicture(view) {
  const { n, packet } = view;
  if (!packet.answer) return [make("p", "fact", "This model has learnt no classes, so its way ends at the states of the last layer. Train it, and this step shows its answer.")];
  const { labels, example, activation, several } = packet.answer;
  const state = n.row("hidden", packet.layers, 0);
  const rows = make("div", "rows sums");
  const first = view.token(0);
  rows.append(make("span", "op"), ...line(view, `state of “${first}”`, state, { height: 24, title: `last state of “${first}”`, note: `after layer ${packet.layers}`, mark: "strong" }));
  const dense = n.has("dense") ? n.row("dense") : null;
  if (dense) rows.append(make("span", "op", "→"), ...line(view, `dense, ${activation}`, dense, { height: 24, title: "after the head's first layer", about: `Each number is a learnt sum of the ${state.length} numbers above, put through ${activation}.`, note: weightsButton(view, { name: "dense", input: state, at: 0 }), mark: "strong" }));
  const input = dense ?? state;
  const [logits, shares, bias] = [n.all("logits"), n.all("probabilities"), n.all("cbias")];
  const order = [...labels.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, MOST_CLASSES);
  const most = Math.max(...order.map((c) => Math.abs(logits[c]))) || 1;
  const table = make("div", "answers");
  table.append(...["class", "logit", several ? "probability (each by itself)" : "probability (softmax)"].map((text) => make("span", "th", text)));
  for (const c of order) {
    const title = `what speaks for “${labels[c]}”, number by number`;
    const products = input.map((value, k) => value * n.column("cweight", c)[k]);
    const how = (k) => `number ${k + 1}: ${figure(input[k], 3)} × learnt weight ${figure(n.column("cweight", c)[k], 3)}  =  ${figure(products[k], 3)}`;
    const about = `The products add up to ${figure(logits[c] - bias[c], 3)}; with the class's own ${figure(bias[c], 3)} that is the logit ${figure(logits[c], 3)}.`;
    const name = make("button", "token class", make("bdi", "", labels[c]));
    name.type = "button";
    name.title = labels[c];
    name.addEventListener("click", () => view.open({ title, values: products, note: about, how }));
    table.append(name, middleBar(view, logits[c], most), fullBar(view, shares[c], 1, percent(shares[c]), true));
    if (c === order[0]) for (const node of [name, table.lastChild]) node.setAttribute("data-strong", "");
  }
  const told = [];
  if (labels.length > order.length) told.push(make("p", "quiet", `The ${order.length} most probable of ${labels.length} classes.`));
  if (example) {
    told.unshift(make("p", "note", `${packet.name} has learnt no classes yet. For this last step a stand-in takes the place of learnt weights: the middle of ${example} sample messages a class (Snell et al. 2017). Train the model, and its own head stands here.`));
  }
  return [...told.slice(0, example ? 1 : 0), rows, make("h4", "", "One number a class: the logits, and what they come to"), table, make("p", "quiet", "Click a class for the products that make its logit."), ...told.slice(example ? 1 : 0)];
}
