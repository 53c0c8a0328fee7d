// Steps 7 to 9: heads joined, added and brought to scale, the feed-forward part.

const MANY = "many tokens";

// What a head does on this one text, in words, where one thing takes most of its attention.
function habit(view, head) {
  const { n, packet } = view;
  const count = packet.tokens.length;
  const marks = [...new Set(packet.tokens.filter((_, t) => packet.special[t]))].join(" and ") || "marks";
  const found = { "the previous token": 0, "the next token": 0, "the token itself": 0, [marks]: 0 };
  for (let i = 0; i < count; i += 1) {
    const row = n.row("weights", head, i);
    row.forEach((weight, j) => {
      if (packet.special[j] && j !== i) found[marks] += weight / count;
      else if (j === i) found["the token itself"] += weight / count;
      else if (j === i - 1) found["the previous token"] += weight / count;
      else if (j === i + 1) found["the next token"] += weight / count;
    });
  }
  const [name, share] = Object.entries(found).sort((a, b) => b[1] - a[1])[0];
  return share >= 0.4 ? `${Math.round(100 * share)} % to ${name}` : MANY;
}

function headsPicture(view) {
  const { n, i, head, packet } = view;
  const count = packet.tokens.length;
  const [heads, , d] = n.shape("mixed");
  const grid = make("div", "heads");
  const columns = [6, 8, 5, 7, 4, 3].find((each) => heads % each === 0) ?? Math.min(heads, 6);
  grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 130px))`;
  for (let h = 0; h < heads; h += 1) {
    const data = n.row("weights", h);
    const top = Math.max(0.2, ...data);
    const what = habit(view, h);
    const card = make("button", "thumb", make("span", "no", `head ${h + 1}`), pixels(count, count, (k) => shareColor(view.ink, data[k], top)), make("span", "habit", what));
    card.type = "button";
    card.toggleAttribute("data-on", h === head);
    card.setAttribute("aria-label", `Head ${h + 1}: ${what}`);
    card.addEventListener("click", () => view.pick({ head: h }));
    grid.append(card);
  }
  const joined = n.row("joined", i);
  const attended = n.row("attended", i);
  const [D] = [joined.length];
  const blocks = make("div", "blocks");
  for (let h = 0; h < heads; h += 1) {
    const block = make("span", "block", String(h + 1));
    block.toggleAttribute("data-on", h === head);
    blocks.append(block);
  }
  const rows = make("div", "rows sums");
  rows.append(make("span", "op"), make("span", "name", ""), blocks, make("span", "beside", ""));
  const from = (c) => `number ${c + 1} is number ${(c % d) + 1} of head ${Math.floor(c / d) + 1}: ${figure(joined[c], 3)}`;
  rows.append(make("span", "op"), ...line(view, "side by side", joined, { title: `the ${heads} heads side by side, for “${view.token(i)}”`, how: from, note: `${heads} × ${d} = ${D}`, height: 24, mark: "strong" }));
  rows.append(make("span", "op", "→"), ...line(view, "mixed", attended, { title: `what attention brings to “${view.token(i)}”`, about: `Each number is a learnt sum of all ${D} numbers above.`, note: weightsButton(view, { name: "attended", input: joined }), height: 24, mark: "strong" }));
  const sizes = Float32Array.from({ length: heads }, (_, h) => n.row("parts", h)[i]);
  const most = Math.max(...sizes);
  const share = make("div", "shares");
  sizes.forEach((size, h) => {
    const fill = make("span", "fill");
    fill.style.height = `${(100 * size) / most}%`;
    fill.style.background = css(view.ink.share[h === head ? 200 : 120]);
    const bar = make("span", "pillar", make("span", "well", fill), make("span", "value", figure(size)), make("span", "no", String(h + 1)));
    bar.title = `head ${h + 1}: length ${figure(size, 3)}`;
    share.append(bar);
  });
  return [
    make("h4", "", `The ${heads} heads of layer ${view.layer + 1}: each reads the same text in its own way`),
    grid,
    make("h4", "", "Put side by side and mixed, for ", bold(view.token(i))),
    rows,
    make("h4", "", "How much each head adds: the length of its part"),
    share,
  ];
}

// ------------------------------------------------------------------------------------- 8

function addPicture(view) {
  const { n, i, packet } = view;
  const count = packet.tokens.length;
  const [x, attended, added, middle] = ["x", "attended", "added", "middle"].map((name) => n.row(name, i));
  const top = usual(x, attended, added);
  const rows = make("div", "rows sums");
  const how = (k) => `number ${k + 1}: ${figure(x[k], 3)} + ${figure(attended[k], 3)}  =  ${figure(added[k], 3)}`;
  rows.append(make("span", "op"), ...line(view, "state", x, { top, height: 24, title: `state of “${view.token(i)}”`, note: `length ${figure(length(x), 1)}` }));
  rows.append(make("span", "op", "+"), ...line(view, "from attention", attended, { top, height: 24, title: `what attention brings to “${view.token(i)}”`, note: `length ${figure(length(attended), 1)}` }));
  rows.append(make("span", "op", "="), ...line(view, "sum", added, { top, height: 24, title: `sum for “${view.token(i)}”`, how, mark: "strong", note: `mean ${figure(mean(added))}, spread ${figure(spread(added))}` }));
  rows.append(make("span", "op", "→"), ...line(view, "brought to scale", middle, { height: 24, title: `“${view.token(i)}” after the norm`, how: normed(n, "norm1", added, middle), mark: "strong", note: "mean 0, spread 1, × gain + shift" }));
  const most = Math.max(...Array.from({ length: count }, (_, t) => Math.max(length(n.row("x", t)), length(n.row("attended", t)))));
  const table = make("div", "lengths");
  table.append(make("span"), make("span", "th", "length of the state"), make("span", "th", "of what attention adds"), make("span", "th", "direction kept"));
  for (let t = 0; t < count; t += 1) {
    const [state, more] = [n.row("x", t), n.row("attended", t)];
    table.append(tokenName(view, t, "end"), fullBar(view, length(state), most, figure(length(state), 1)), fullBar(view, length(more), most, figure(length(more), 1), true), make("span", "value", figure(cosine(state, n.row("added", t)))));
  }
  return [make("h4", "", "For ", bold(view.token(i))), rows, make("h4", "", "Old and new, for all tokens"), table, make("p", "quiet", "Direction kept: the cosine between the state before and after adding. 1: unchanged, 0: nothing left of it.")];
}

function length(values) {
  return Math.sqrt(dot(values, values));
}

// ------------------------------------------------------------------------------------- 9

function forwardPicture(view) {
  const { n, i } = view;
  const [middle, wide, active, narrow, summed, out] = ["middle", "wide", "active", "narrow", "summed", "out"].map((name) => n.row(name, i));
  const [D, F] = [middle.length, wide.length];
  const who = view.token(i);
  const rows = make("div", "rows sums");
  const gelu = (k) => `neuron ${k + 1}: its sum is ${figure(wide[k], 3)}, GELU makes it ${figure(active[k], 3)}`;
  rows.append(make("span", "op"), ...line(view, "state", middle, { height: 20, title: `“${who}” after attention`, note: `${D} numbers` }));
  rows.append(make("span", "op", "→"), ...line(view, "neurons", wide, { height: 20, title: `sums of the ${F} neurons for “${who}”`, note: weightsButton(view, { name: "wide", input: middle }), mark: "strong" }));
  rows.append(make("span", "op", "→"), ...line(view, "after GELU", active, { top: usual(wide), height: 20, title: `the ${F} neurons for “${who}”, after GELU`, how: gelu, note: "the quiet are silenced", mark: "strong" }));
  rows.append(make("span", "op", "→"), ...line(view, "back", narrow, { height: 20, title: `what the neurons bring to “${who}”`, note: weightsButton(view, { name: "narrow", input: active }) }));
  const how = (k) => `number ${k + 1}: ${figure(middle[k], 3)} + ${figure(narrow[k], 3)}  =  ${figure(summed[k], 3)}`;
  rows.append(make("span", "op", "="), ...line(view, "sum with state", summed, { height: 20, title: `sum for “${who}”`, how, note: `mean ${figure(mean(summed))}, spread ${figure(spread(summed))}` }));
  rows.append(make("span", "op", "→"), ...line(view, "next state", out, { height: 20, title: `state of “${who}” after layer ${view.layer + 1}`, how: normed(n, "norm2", summed, out), note: "brought to scale", mark: "strong" }));
  const loud = active.filter((value) => Math.abs(value) > 0.5).length;
  const strongest = [...active.keys()].sort((a, b) => active[b] - active[a]).slice(0, 5);
  const most = active[strongest[0]];
  const table = make("div", "softmax two");
  for (const k of strongest) table.append(make("span", "name", `neuron ${(k + 1).toLocaleString("en")}`), fullBar(view, active[k], most, figure(active[k]), true));
  const aside = make("div", "aside", make("h4", "", "The loudest neurons for ", bold(who)), table, make("p", "quiet", `${loud.toLocaleString("en")} of ${F.toLocaleString("en")} neurons answer with more than 0.5${2 * loud < F ? "; the others stay near zero" : ""}.`));
  return [make("h4", "", "For ", bold(who), ", by itself"), rows, make("div", "twin even", make("div", "", make("h4", "", `GELU, and where the ${F.toLocaleString("en")} neurons lie on it`), curve(view, wide, active)), aside)];
}

// The curve of GELU with a mark for every neuron.
function curve(view, wide, active) {
  const [left, right] = [-4, 4];
  const x = (value) => 30 + ((Math.max(left, Math.min(right, value)) - left) / (right - left)) * 320;
  const y = (value) => 168 - ((Math.max(-0.4, Math.min(4, value)) + 0.4) / 4.4) * 158;
  const picture = drawn("svg", { viewBox: "0 0 360 200", class: "curve", role: "img", "aria-label": "GELU: negative sums come out near zero, positive ones pass" });
  picture.append(drawn("line", { x1: 30, x2: 350, y1: y(0), y2: y(0), class: "zero" }), drawn("line", { x1: x(0), x2: x(0), y1: 8, y2: 172, class: "zero" }));
  for (const value of [-4, -2, 2, 4]) picture.append(drawn("text", { x: x(value), y: 186, "text-anchor": "middle", class: "tick" }, figure(value, 0)));
  for (const value of [2, 4]) picture.append(drawn("text", { x: x(0) - 6, y: y(value) + 4, "text-anchor": "end", class: "tick" }, figure(value, 0)));
  picture.append(drawn("text", { x: 190, y: 199, "text-anchor": "middle", class: "tick" }, "sum of a neuron"));
  const color = css(view.ink.share[190]);
  wide.forEach((value, k) => picture.append(drawn("circle", { cx: x(value), cy: y(active[k]), r: 3, fill: color, "fill-opacity": 0.28 })));
  return picture;
}
