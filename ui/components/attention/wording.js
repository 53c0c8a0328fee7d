// What is said about what is shown. All sentences of the view are here; users' text comes in as text only.

function describe(view, { layer, head }) {
  const { map, mode } = view;
  if (mode === "rollout") return layer === 0 ? "Rollout through layer 1" : `Rollout through layers 1 to ${layer + 1}`;
  if (mode === "flow") return "Attention flow through all layers";
  if (layer === map.averaging) return `Layer ${layer + 1}: averages all tokens, learnt nothing`;
  if (mode === "average") return `Layer ${layer + 1}, average over ${map.heads} heads`;
  return `Layer ${layer + 1}, head ${head + 1}`;
}

function titleOf(view) {
  const count = view.overlay.all().length;
  return count > 1 ? `${count} heads overlaid` : describe(view, view.selection);
}

function notesOf(view) {
  const { mode, map, lens } = view;
  const [row, column] = map.kind === "cross" ? ["target", "source"] : ["from", "to"];
  const compares = map.base !== null;
  const notes = {
    heads: `One square a head. Choose ${mode === "head" ? "one" : "a layer"} by click or arrow keys.`,
    lines: "How much each token reads from every token.",
    matrix: `${row === "from" ? "From by row, to by column" : "Target by row, source by column"}.${sums(view)}`,
    left: row,
    right: column,
  };
  if (map.kind === "cross") notes.lines = "How much each token that is written reads from the source.";
  if (mode === "rollout") {
    notes.heads = "One square a head. Choose the last layer by click or arrow keys.";
    notes.lines = "How much of each input token has reached each position.";
    notes.matrix = `Position by row, input token by column.${sums(view)}`;
    [notes.left, notes.right] = ["position", "input token"];
  }
  if (mode === "flow") {
    notes.heads = "One square a head. The flow runs through all of them.";
    notes.lines = "How much can stream from a position down to each token of the input.";
    [notes.left, notes.right] = ["position", "input token"];
  }
  if (view.overlay.acts) {
    notes.heads = "Click a head to add it, or to take it away.";
    if (view.overlay.all().length > 1) notes.matrix = "Each cell has the colour of the head that reads most there.";
  }
  if (compares && mode !== "token") {
    const what = { difference: "Where it reads more after (orange) or less (blue).", after: "After.", before: "Before." };
    notes.lines = what[lens];
    notes.matrix = notes.matrix.replace("Each row sums to 1.", "Each row sums to 0.");
  }
  if (map.causal && mode !== "rollout") notes.lines += " A token reads only itself and what stands before it.";
  notes.lines += hiddenShare(view);
  const { words, hide_special: special, hide_punctuation: punctuation } = view.shape;
  if ((words || special || punctuation) && !view.heads.shapes()) notes.heads += " The squares show all tokens.";
  return notes;
}

// Whether rows still sum to 1.
function sums(view) {
  const { pair, threshold } = view.asked();
  return pair === "all" && threshold === 0 ? " Each row sums to 1." : " Rows no longer sum to 1.";
}

function hiddenShare(view) {
  const hidden = view.shown?.hidden;
  const { hide_special: special, hide_punctuation: punctuation } = view.shape;
  if (view.mode === "flow" || (!special && !punctuation) || hidden === undefined || view.waiting) return "";
  if (view.plane.length === 0) return "";
  return ` The hidden tokens take ${percent(hidden)} of it; what is left is scaled up so that rows sum to 1.`;
}

// The strongest weights of a token, or one weight, as a sentence.
function inWords(view, { from = null, to = null }) {
  const { rows, columns } = view.frame;
  const wide = columns.length;
  if (from !== null && to !== null) {
    return `${rows[from].name} to ${columns[to].name}: ${view.figure(from * wide + to)}`;
  }
  const others = from !== null ? columns : rows;
  const places = others.map(({ name }, k) => [from !== null ? from * wide + k : k * wide + to, name]);
  places.sort((a, b) => Math.abs(view.plane[b[0]]) - Math.abs(view.plane[a[0]]));
  const most = places.slice(0, 3).map(([at, name]) => `${name} ${view.figure(at)}`);
  const name = from !== null ? rows[from].name : columns[to].name;
  return `${from !== null ? "From" : "To"} ${name}: most ${from !== null ? "to" : "from"} ${most.join(", ")}`;
}

// A cell's figures: [what, value].
function cellInWords(view, { from, to }) {
  const { shown, frame } = view;
  const at = from * frame.columns.length + to;
  const what = `${frame.rows[from].name} → ${frame.columns[to].name}`;
  if (view.map.base !== null) {
    const [before, after] = [shown.before.weights[at], shown.after.weights[at]];
    return [what, `${figure(before)} before, ${figure(after)} after (${signedFigure(after - before)})`];
  }
  if (shown.kind !== "overlay") return [what, figure(shown.plane[at])];
  const each = shown.planes.map(({ weights, place }) => `${place.layer + 1}.${place.head + 1}: ${figure(weights[at])}`);
  return [what, each.join("  ")];
}
