// Steps 4 to 6: scores, softmax, the weighted sum. One head, and one token that reads.

// A square of all tokens by all tokens: readers by row, what is read by column. A click chooses the pair.
function square(view, { data, color, name, onCell, caption }) {
  const { tokens } = view.packet;
  const count = tokens.length;
  const cell = Math.max(12, Math.min(24, Math.floor(240 / count)));
  const root = make("div", "square");
  root.style.setProperty("--cell", `${cell}px`);
  root.style.setProperty("--count", count);
  const top = make("div", "over");
  const side = make("div", "side");
  for (let t = 0; t < count; t += 1) {
    const above = make("span", "", make("bdi", "", tokens[t]));
    above.toggleAttribute("data-on", t === view.j);
    top.append(above);
    side.append(tokenName(view, t, "end"));
  }
  const field = make("button", "field", pixels(count, count, (k) => color(data[k])));
  field.type = "button";
  field.setAttribute("aria-label", `${name}: arrows move the chosen pair`);
  const row = make("span", "row");
  const one = make("span", "one");
  row.style.transform = `translateY(${view.i * cell}px)`;
  one.style.transform = `translate(${view.j * cell}px, ${view.i * cell}px)`;
  field.append(row, one);
  const told = make("p", "told");
  const say = (i, j) => {
    told.replaceChildren("“", make("bdi", "", tokens[i]), "” reads “", make("bdi", "", tokens[j]), `”: ${caption(data[i * count + j])}`);
  };
  say(view.i, view.j);
  const place = (event) => {
    const box = field.getBoundingClientRect();
    const at = (offset) => Math.max(0, Math.min(count - 1, Math.floor(offset / cell)));
    return [at(event.clientY - box.top), at(event.clientX - box.left)];
  };
  field.addEventListener("pointermove", (event) => say(...place(event)));
  field.addEventListener("pointerleave", () => say(view.i, view.j));
  field.addEventListener("click", (event) => {
    if (event.detail === 0) return; // by key: there is no place
    const [i, j] = place(event);
    onCell(i, j);
  });
  root.append(top, side, field);
  return make("div", "plot", make("p", "axis", "Each row reads, each column is read."), root, told);
}

// ------------------------------------------------------------------------------------- 4

function scorePicture(view) {
  const { n, i, j, head } = view;
  const count = view.packet.tokens.length;
  const d = n.shape("q")[2];
  const all = n.row("scores", head);
  const top = usual(all);
  const plot = square(view, {
    data: all,
    name: "Scores",
    color: (value) => signedColor(view.ink, value, top),
    onCell: (a, b) => view.pick({ i: a, j: b }),
    caption: (value) => figure(value),
  });
  const [q, k] = [n.row("q", head, i), n.row("k", head, j)];
  const products = q.map((value, c) => value * k[c]);
  const sum = products.reduce((a, b) => a + b, 0);
  const score = n.row("scores", head, i)[j];
  const scale = usual(q, k);
  const how = (c) => `number ${c + 1}: ${figure(q[c], 3)} × ${figure(k[c], 3)}  =  ${figure(products[c], 3)}`;
  const rows = make("div", "rows sums");
  rows.append(make("span", "op", ""), ...line(view, "query", q, { top: scale, height: 24, title: `query of “${view.token(i)}”`, mark: "q" }));
  rows.append(make("span", "op", "×"), ...line(view, "key", k, { top: scale, height: 24, title: `key of “${view.token(j)}”`, mark: "k" }));
  rows.append(make("span", "op", "="), ...line(view, "product", products, { height: 24, title: `products of “${view.token(i)}” and “${view.token(j)}”`, how, mark: "strong" }));
  rows.append(make("span", "op", ""), make("span", "name"), bars(view, products), make("span", "beside"));
  const sums = make(
    "div",
    "equation",
    part("sum of products", figure(sum)),
    make("span", "sign", "/"),
    part(`√${d}`, figure(Math.sqrt(d))),
    make("span", "sign", "="),
    part("score", figure(score), "result"),
  );
  const side = make("div", "aside", make("h4", "", "How well does ", bold(view.token(i)), " match ", bold(view.token(j)), "?"), rows, sums);
  const rank = [...n.row("scores", head, i)].filter((value) => value > score).length + 1;
  side.append(make("p", "quiet", `Of ${count} tokens this is its ${ordinal(rank)} match. Click another square to see that pair.`));
  return [make("div", "twin", plot, side), legend(view, top, "scores")];
}

function ordinal(number) {
  if (number === 1) return "best";
  const last = number % 10;
  const end = number % 100 > 10 && number % 100 < 14 ? "th" : last === 1 ? "st" : last === 2 ? "nd" : last === 3 ? "rd" : "th";
  return `${number}${end} best`;
}

function part(name, value, className = "") {
  return make("span", `part ${className}`, make("b", "", value), make("small", "", name));
}

// Signed values as bars around a line, each under its cell of the strip above.
function bars(view, values) {
  const most = Math.max(...values.map(Math.abs)) || 1;
  const [width, height] = [values.length * 10, 76];
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "bars", "aria-hidden": "true" });
  values.forEach((value, c) => {
    const tall = Math.max(0.6, (Math.abs(value) / most) * (height / 2 - 2));
    const y = value < 0 ? height / 2 : height / 2 - tall;
    const color = view.ink.signed[value < 0 ? 40 : 215];
    picture.append(drawn("rect", { x: c * 10 + 1.5, y, width: 7, height: tall, fill: css(color) }));
  });
  picture.append(drawn("line", { x1: 0, x2: width, y1: height / 2, y2: height / 2, class: "zero" }));
  return picture;
}

// ------------------------------------------------------------------------------------- 5

function softmaxPicture(view) {
  const { n, i, head } = view;
  const count = view.packet.tokens.length;
  const scores = n.row("scores", head, i);
  const weights = n.row("weights", head, i);
  const best = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - best));
  const total = powers.reduce((a, b) => a + b, 0);
  const most = Math.max(...scores.map(Math.abs)) || 1;
  const table = make("div", "softmax");
  const head3 = ["", "score", "e to the power of it", "share"].map((text) => make("span", "th", text));
  table.append(...head3);
  for (let t = 0; t < count; t += 1) {
    table.append(
      tokenName(view, t, "end"),
      middleBar(view, scores[t], most),
      fullBar(view, powers[t], 1, figure(powers[t], 3)),
      fullBar(view, weights[t], Math.max(...weights), percent(weights[t]), true),
    );
    table.lastChild.toggleAttribute("data-strong", weights[t] === Math.max(...weights));
  }
  table.append(make("span"), make("span"), make("span", "total", `sum ${figure(total, 3)}`), make("span", "total", "sum 100 %"));
  const note = make("p", "quiet", "All powers are taken from the best score, which becomes e⁰ = 1: that changes no share, and keeps numbers small. Each is then divided by their sum.");
  const top = Math.max(0.2, ...n.row("weights", head));
  const plot = square(view, {
    data: n.row("weights", head),
    name: "Weights",
    color: (value) => shareColor(view.ink, value, top),
    onCell: (a, b) => view.pick({ i: a, j: b }),
    caption: percent,
  });
  const means = Float32Array.from({ length: count }, (_, t) => mean(n.column2("weights", head, t)));
  const most2 = Math.max(...means);
  const read = make("div", "softmax two");
  const order = [...means.keys()].sort((a, b) => means[b] - means[a]).slice(0, 6);
  for (const t of order) read.append(tokenName(view, t, "end"), fullBar(view, means[t], most2, percent(means[t]), true));
  const aside = make("div", "aside", make("h4", "", "Who is read most"), read, make("p", "quiet", `Mean share over all ${count} readers: how dark a column is. If all were read alike, each would get ${percent(1 / count)}.`));
  aside.append(...habits(view));
  return [make("h4", "", "From scores to shares, for ", bold(view.token(i))), table, note, make("h4", "", "The same for every token: the attention of this head"), make("div", "twin", plot, aside)];
}

// Heads of this layer that do one thing most of the time on this text, to go and see.
function habits(view) {
  const found = [];
  for (let h = 0; h < view.packet.heads; h += 1) {
    const what = habit(view, h);
    if (h !== view.head && what !== MANY) found.push([h, what]);
  }
  if (!found.length) return [];
  const list = make("div", "habits");
  for (const [h, what] of found.slice(0, 4)) {
    const node = make("button", "matrix", `head ${h + 1}: ${what}`);
    node.type = "button";
    node.addEventListener("click", () => view.pick({ head: h }));
    list.append(node);
  }
  return [make("h4", "", "Heads of this layer with a habit"), list];
}

function middleBar(view, value, most) {
  const bar = make("span", "fill");
  const wide = (50 * Math.abs(value)) / most;
  bar.style.width = `${wide}%`;
  bar.style.left = value < 0 ? `${50 - wide}%` : "50%";
  bar.style.background = css(view.ink.signed[value < 0 ? 40 : 215]);
  return make("span", "bar signed", make("span", "track", bar), make("span", "value", figure(value)));
}

function fullBar(view, value, most, text, strong = false) {
  const bar = make("span", "fill");
  bar.style.width = `${(100 * value) / (most || 1)}%`;
  bar.style.background = css(view.ink.share[strong ? 190 : 110]);
  return make("span", "bar", make("span", "track", bar), make("span", "value", text));
}

// ------------------------------------------------------------------------------------- 6

function sumPicture(view) {
  const { n, i, head } = view;
  const count = view.packet.tokens.length;
  const weights = n.row("weights", head, i);
  const most = Math.max(...weights);
  const top = view.top("v");
  const row = Math.max(15, Math.min(26, Math.floor(340 / count)));
  const grid = make("div", "mix");
  grid.style.setProperty("--row", `${row}px`);
  for (let t = 0; t < count; t += 1) {
    const title = `value of “${view.token(t)}”`;
    const values = n.row("v", head, t);
    const share = fullBar(view, weights[t], most, percent(weights[t]), true);
    const alpha = 0.1 + 0.9 * (weights[t] / most) ** 0.7;
    grid.append(tokenName(view, t, "end"), share, make("span", "op", "×"), strip(view.ink, values, { top, height: row - 6, alpha, label: title, open: () => view.open({ title, values }) }));
  }
  const height = row * count + 46;
  const flow = drawn("svg", { viewBox: `0 0 72 ${height}`, width: 72, height, class: "flow", "aria-hidden": "true" });
  const end = row * count + 28;
  [...weights.keys()]
    .sort((a, b) => weights[a] - weights[b])
    .forEach((t) => {
      const y = (t + 0.5) * row;
      const share = weights[t] / most;
      flow.append(drawn("path", { d: `M0 ${y} C 46 ${y}, 58 ${y + 10}, 58 ${Math.min(end, y + 40)} L 58 ${end - 14} Q 58 ${end} 0 ${end}`, "stroke-width": 0.6 + 7 * share, "stroke-opacity": 0.1 + 0.6 * share, stroke: css(view.ink.share[190]), fill: "none" }));
    });
  const mixed = n.row("mixed", head, i);
  const how = (c) => {
    const terms = [...weights.keys()].sort((a, b) => Math.abs(weights[b] * n.row("v", head, b)[c]) - Math.abs(weights[a] * n.row("v", head, a)[c]));
    const shown = terms.slice(0, 3).map((t) => `${percent(weights[t])} × ${figure(n.row("v", head, t)[c], 3)} (“${view.token(t)}”)`);
    return `number ${c + 1}: ${shown.join("  +  ")}${count > 3 ? "  + …" : ""}  =  ${figure(mixed[c], 3)}`;
  };
  const title = `what head ${head + 1} found for “${view.token(i)}”`;
  const result = strip(view.ink, mixed, { top: usual(mixed), height: 26, label: title, open: () => view.open({ title, values: mixed, how }) });
  result.setAttribute("data-on", "");
  grid.append(make("span", "name strong", "found"), make("span", "quiet", `${mixed.length} numbers`), make("span", "op", "="), result);
  return [make("h4", "", "What ", bold(view.token(i)), " collects"), make("div", "mixing", grid, flow), legend(view, top, "values")];
}
