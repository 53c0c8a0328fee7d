// Steps 1 to 3: tokens, embeddings and positions, queries, keys and values.

// A line of a picture: what it is, its strip, and something beside it.
function line(view, name, values, options = {}) {
  const { top, height = 18, note = "", how = null, title = name, about = "", mark = "", alpha = 1 } = options;
  const open = () => view.open({ title, values, note: about, how });
  const label = make("span", `name ${mark}`, name);
  return [label, strip(view.ink, values, { top, height, open, label: title, alpha }), make("span", "beside", note)];
}

function strongest(values) {
  let best = 0;
  values.forEach((value, k) => {
    if (Math.abs(value) > Math.abs(values[best])) best = k;
  });
  return best;
}

// A matrix of learnt weights, as the button that opens one column of it: the one that makes the strongest number
// that comes out. Python sends that column for every token.
function weightsButton(view, { name, input, at = view.i }) {
  const { n } = view;
  const [from, to] = [input.length, n.shape(name).at(-1)];
  const column = n.row(`${name}_column`, at);
  const which = n.all(`${name}_which`)[at];
  const out = n.row(name, ...(n.shape(name).length > 1 ? [at] : []));
  const product = dot(input, column);
  const own = n.all(`${name}_bias`)[at];
  const node = make("button", "matrix", `${from.toLocaleString("en")} × ${to.toLocaleString("en")} weights`);
  node.type = "button";
  node.addEventListener("click", () =>
    view.open({
      title: `column ${which + 1} of ${to.toLocaleString("en")} in the matrix`,
      values: column,
      note: `Each column makes one number. This one makes the strongest: its ${from.toLocaleString("en")} products with the strip above add up to ${figure(product, 3)}, + learnt ${figure(own, 3)} = ${figure(product + own, 3)}${name === "dense" ? `, after ${view.packet.answer.activation} ${figure(out[which], 3)}` : ""}.`,
      first: strongest(column.map((weight, k) => weight * input[k])),
      how: (k) => `row ${k + 1}: ${figure(input[k], 3)} × weight ${figure(column[k], 3)}  =  ${figure(input[k] * column[k], 3)}`,
    }),
  );
  return node;
}

// A token's name as the button that makes it the one we follow.
function tokenName(view, at, className = "") {
  const node = make("button", `token ${className}`, make("bdi", "", view.token(at)));
  node.type = "button";
  node.toggleAttribute("data-on", at === view.i);
  node.toggleAttribute("data-special", view.packet.special[at]);
  node.setAttribute("aria-label", `Follow token ${at + 1}: “${view.token(at)}”`);
  node.addEventListener("click", () => view.pick({ i: at }));
  return node;
}

// All tokens, each with a strip; the one we follow is framed.
function allTokens(view, name, { values, title, note = () => "", height }) {
  const count = view.packet.tokens.length;
  const top = view.top(name);
  const rows = make("div", "rows all");
  const tall = height ?? Math.max(9, Math.min(16, Math.floor(260 / count)));
  for (let t = 0; t < count; t += 1) {
    const data = values(t);
    const open = () => view.open({ title: title(t), values: data });
    const bar = strip(view.ink, data, { top, height: tall, open, label: title(t) });
    bar.toggleAttribute("data-on", t === view.i);
    rows.append(tokenName(view, t, "end"), bar, make("span", "beside", note(t)));
  }
  return rows;
}

function legend(view, top, what = "numbers") {
  const bar = make("span", "ramp");
  bar.style.background = `linear-gradient(90deg, ${[0, 64, 127, 191, 255].map((k) => css(view.ink.signed[k])).join(",")})`;
  return make("p", "legend", make("span", "", `${what} from ${figure(-top, 1)}`), bar, make("span", "", `to ${plus(top, 1)}`));
}

// ------------------------------------------------------------------------------------- 1

function tokensPicture(view) {
  const { tokens, words, wordTexts, ids, special, vocabulary, spans } = view.packet;
  const cards = make("div", "cards");
  let t = 0;
  while (t < tokens.length) {
    const word = words[t];
    let end = t + 1;
    while (word >= 0 && end < tokens.length && words[end] === word) end += 1;
    const text = word >= 0 ? wordTexts[word] : "added";
    const above = make("span", word >= 0 ? "word" : "word added", make("bdi", "", text));
    const group = make("div", "group", above, make("span", end - t > 1 ? "brace many" : "brace"));
    const inside = make("div", "pieces");
    for (let k = t; k < end; k += 1) {
      const at = k;
      const node = make("button", "card", make("bdi", "piece", tokens[at]), make("span", "id", ids[at].toLocaleString("en")));
      node.type = "button";
      node.toggleAttribute("data-special", special[at]);
      node.toggleAttribute("data-on", at === view.i);
      node.setAttribute("aria-label", `Token ${at + 1}: ${tokens[at]}, number ${ids[at]}`);
      node.addEventListener("click", () => view.pick({ i: at }));
      inside.append(node);
    }
    group.append(inside);
    cards.append(group);
    t = end;
  }
  const { i } = view;
  const at = spans[i][1] - spans[i][0] > 1 ? `characters ${spans[i][0] + 1} to ${spans[i][1]}` : `character ${spans[i][1]}`;
  const kind = special[i]
    ? "a mark that every text gets; it stands for no word"
    : ids[i] === view.packet.unknown
      ? `it stands for whatever the vocabulary does not know, here “${wordTexts[words[i]]}”`
      : words.filter((word) => word === words[i]).length > 1
        ? `${at} of the text, a part of the word “${wordTexts[words[i]]}”`
        : `${at} of the text, a whole word`;
  const fact = make("p", "fact", make("b", "", make("bdi", "", view.token(i))), ` is number ${ids[i].toLocaleString("en")} of ${vocabulary.toLocaleString("en")} in this model's vocabulary: ${kind}.`);
  return [make("p", "axis", "the text, word by word"), cards, make("p", "axis below", "what the model gets: one number a token"), fact];
}

// ------------------------------------------------------------------------------------- 2

function embeddingPicture(view) {
  const { n, i, packet } = view;
  const parts = packet.tables.map((table) => table.name);
  const top = usual(...parts.map((name) => n.row(name, i)), n.row("total", i));
  const from = (k) => parts.map((name) => `${name} ${figure(n.row(name, i)[k], 3)}`).join("  +  ");
  const rows = make("div", "rows sums");
  packet.tables.forEach((table, at) => {
    const about = `Row ${table.rows[i].toLocaleString("en")} of the table of ${table.name}s, which has ${table.size.toLocaleString("en")} rows, all learnt.`;
    const title = `${table.name} vector of “${view.token(i)}”`;
    const note = `row ${table.rows[i].toLocaleString("en")} of ${table.size.toLocaleString("en")}`;
    rows.append(make("span", "op", at ? "+" : ""), ...line(view, table.name, n.row(table.name, i), { top, note, title, about }));
  });
  const total = n.row("total", i);
  const state = n.row("normed", i);
  const how = (k) => `number ${k + 1}: ${from(k)}  =  ${figure(total[k], 3)}`;
  rows.append(make("span", "op", "="), ...line(view, "sum", total, { top, title: `sum for “${view.token(i)}”`, how, mark: "strong", note: `spread ${figure(spread(total), 3)}` }));
  rows.append(make("span", "op", "→"), ...line(view, "state", state, { title: `first state of “${view.token(i)}”`, how: normed(n, "norm0", total, state), mark: "strong", note: "brought to scale" }));
  const title = make("h4", "", "The first states of all tokens");
  const alike = (t) => figure(cosine(n.row("position", t), n.row("position", i)));
  const all = allTokens(view, "start", { values: (t) => n.row("start", t), title: (t) => `first state of “${view.token(t)}”`, note: alike });
  const told = make("p", "quiet below", "At the right: how alike the position vectors are to that of “", make("bdi", "", view.token(i)), "”, as a cosine. Where neighbours come out alike, a head can learn to look one place to the left or right.");
  return [make("h4", "", "For ", bold(view.token(i))), rows, title, all, legend(view, view.top("start")), told];
}

function bold(text) {
  return make("b", "mark", make("bdi", "", text));
}

// How one number was brought to scale by a layer norm.
function normed(n, name, before, after) {
  const [middle, wide] = [mean(before), spread(before)];
  const [gain, shift] = [n.row(name, 0), n.row(name, 1)];
  return (k) =>
    `number ${k + 1}: (${figure(before[k], 3)} − mean ${figure(middle, 3)}) / spread ${figure(wide, 3)} = ${figure((before[k] - middle) / wide, 3)};  × learnt gain ${figure(gain[k], 3)}  + learnt shift ${figure(shift[k], 3)}  =  ${figure(after[k], 3)}`;
}

// ------------------------------------------------------------------------------------- 3

const ROLES = {
  q: { name: "query", asks: "what it looks for", weights: "wq", bias: "bq" },
  k: { name: "key", asks: "what it is found by", weights: "wk", bias: "bk" },
  v: { name: "value", asks: "what it passes on", weights: "wv", bias: "bv" },
};

function queryPicture(view) {
  const { n, i, head } = view;
  const count = view.packet.tokens.length;
  const [D, d] = [n.shape("x")[1], n.shape("q")[2]];
  const state = n.row("x", i);
  const source = make("div", "rows sums");
  source.append(make("span", "op", ""), ...line(view, "state", state, { title: `state of “${view.token(i)}”`, note: `${D} numbers`, mark: "strong", height: 22 }));
  const grid = make("div", "roles");
  const labels = make("div", "column names");
  const row = Math.max(10, Math.min(18, Math.floor(250 / count)));
  grid.style.setProperty("--row", `${row}px`);
  for (let t = 0; t < count; t += 1) labels.append(tokenName(view, t, "end"));
  grid.append(labels);
  const ready = view.packet.own === head;
  for (const [role, { name, asks, weights, bias }] of Object.entries(ROLES)) {
    const top = view.top(role);
    const column = make("div", `column ${role}`);
    column.append(make("h4", "", make("span", "chip", name[0].toUpperCase()), ` ${name}`), make("p", "quiet", asks));
    const box = make("button", "weights");
    box.type = "button";
    box.append(make("span", "shape", `W`, make("sub", "", name[0].toUpperCase()), ` · ${D} × ${d}`));
    box.setAttribute("aria-label", `Weights for the ${name}: show their numbers`);
    if (ready) {
      const data = n.all(weights);
      const most = usual(data);
      box.prepend(pixels(D, d, (k) => signedColor(view.ink, data[k], most)));
      box.addEventListener("click", () => {
        const c = strongest(n.row(role, head, i));
        const column = n.column(weights, c);
        const product = dot(state, column);
        view.open({
          title: `column ${c + 1} of the ${d} that make the ${name}, layer ${view.layer + 1}, head ${head + 1}`,
          values: column,
          first: strongest(column.map((weight, k) => weight * state[k])),
          note: `Each column makes one number of the ${name}. For “${view.token(i)}” this one makes the strongest: its ${D} products with the state add up to ${figure(product, 3)}, + learnt ${figure(n.all(bias)[c], 3)} = ${figure(product + n.all(bias)[c], 3)}.`,
          how: (k) => `row ${k + 1}: ${figure(state[k], 3)} × weight ${figure(column[k], 3)}  =  ${figure(state[k] * column[k], 3)}`,
        });
      });
    } else {
      box.dataset.waiting = "";
    }
    column.append(box, make("span", "arrow"));
    const strips = make("div", "strips");
    for (let t = 0; t < count; t += 1) {
      const values = n.row(role, head, t);
      const input = n.row("x", t);
      const how = ready
        ? (k) => {
            const product = dot(input, n.column(weights, k));
            const own = n.all(bias)[k];
            return `number ${k + 1}: the state times column ${k + 1} of the weights, ${D} products that add up to ${figure(product, 3)},  + learnt ${figure(own, 3)}  =  ${figure(product + own, 3)}`;
          }
        : null;
      const title = `${name} of “${view.token(t)}”`;
      const bar = strip(view.ink, values, { top, height: row - 2, label: title, open: () => view.open({ title, values, how }) });
      bar.toggleAttribute("data-on", t === i);
      strips.append(bar);
    }
    column.append(strips);
    grid.append(column);
  }
  return [source, make("span", "arrow long"), grid, legend(view, view.top("q"), "queries")];
}
