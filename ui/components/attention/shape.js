// A plane as the reader asked for it: the same steps in the same order as core/explain/shape.py, which is the
// reference and says why. Knows numbers and flags; draws nothing.
//
// A side is { tokens, names, special, punctuation, segments, words }: one entry a token. `asked` has Python's
// names: words, hide_special, hide_punctuation, temperature, threshold, pair.

const AS_IT_IS = {
  words: false,
  hide_special: false,
  hide_punctuation: false,
  temperature: 1,
  threshold: 0,
  pair: "all",
};

// Which tokens stay, and which of them form a row or a column. Depends on the sides only, not on weights.
function frameOf(rows, columns, asked) {
  const stays = (side) => (k) =>
    !(asked.hide_special && side.special[k]) && !(asked.hide_punctuation && side.punctuation[k]);
  const all = (side) => side.tokens.map((_, k) => k);
  const keptColumns = all(columns).filter(stays(columns));
  const [first, second] = asked.pair === "b_to_a" ? [1, 0] : [0, 1];
  const across = asked.pair === "a_to_b" || asked.pair === "b_to_a";
  const rowPlaces = all(rows).filter((k) => stays(rows)(k) && (!across || rows.segments[k] === first));
  const columnPlaces = keptColumns.filter((k) => !across || columns.segments[k] === second);
  return {
    keptColumns,
    rows: entries(rows, rowPlaces, asked.words),
    columns: entries(columns, columnPlaces, asked.words),
    within: asked.pair === "within",
    segments: [rows.segments, columns.segments],
  };
}

// Neighbouring tokens of one word together, others alone; each with what a drawing needs to know of it.
function entries(side, places, words) {
  const found = [];
  let before = -1;
  for (const place of places) {
    const number = words && side.words.length > 0 ? side.words[place] : -1;
    if (found.length > 0 && number >= 0 && number === before) found.at(-1).push(place);
    else found.push([place]);
    before = number;
  }
  return found.map((group) => ({
    group,
    name: side.tokens[group[0]] + group.slice(1).map((k) => bare(side.tokens[k])).join(""),
    title: group.map((k) => side.names[k]).join(" "),
    special: Boolean(side.special[group[0]]),
    segment: side.segments[group[0]],
  }));
}

// The place of a row and column of one frame in another, or null where a token of them is not in it.
function moved(place, old, frame) {
  const found = {};
  for (const [side, list] of [["from", "rows"], ["to", "columns"]]) {
    if (place[side] === undefined) continue;
    const token = old[list][place[side]].group[0];
    found[side] = frame[list].findIndex(({ group }) => group.includes(token));
  }
  return Object.values(found).includes(-1) ? null : found;
}

function bare(name) {
  return Array.from(name).length > 2 && name.startsWith("##") ? name.slice(2) : name;
}

// Returns { weights: Float32Array of rows x columns, hidden: share of each row that went to hidden tokens }.
function shaped(plane, frame, asked) {
  const { columns: width } = plane;
  const { keptColumns, rows, columns, within } = frame;
  const [rowSegments, columnSegments] = frame.segments;
  const renormalise = keptColumns.length < width && asked.shares !== false; // a flow is no share of a whole
  const weights = new Float32Array(rows.length * columns.length);
  const hidden = new Float32Array(rows.length);
  const row = new Float64Array(width);
  rows.forEach(({ group }, i) => {
    for (const place of group) {
      temper(plane.weights, place * width, row, asked.temperature);
      let total = 0;
      let whole = 0;
      for (let k = 0; k < width; k += 1) whole += row[k];
      for (const k of keptColumns) total += row[k];
      if (renormalise) hidden[i] += (whole - total) / group.length;
      const factor = (renormalise ? (total > 0 ? 1 / total : 0) : 1) / group.length;
      columns.forEach((column, j) => {
        let sum = 0;
        for (const k of column.group) if (!within || rowSegments[place] === columnSegments[k]) sum += row[k];
        weights[i * columns.length + j] += sum * factor;
      });
    }
  });
  if (asked.threshold > 0) {
    for (let k = 0; k < weights.length; k += 1) if (weights[k] < asked.threshold) weights[k] = 0;
  }
  return { weights, hidden };
}

// One row to the power of 1 / temperature, renormalised: the softmax of its scores divided by the temperature.
function temper(weights, start, row, temperature) {
  if (temperature === 1) {
    for (let k = 0; k < row.length; k += 1) row[k] = weights[start + k];
    return;
  }
  let top = 0;
  for (let k = 0; k < row.length; k += 1) top = Math.max(top, weights[start + k]);
  let total = 0;
  for (let k = 0; k < row.length; k += 1) {
    row[k] = weights[start + k] > 0 ? (weights[start + k] / top) ** (1 / temperature) : 0;
    total += row[k];
  }
  for (let k = 0; k < row.length; k += 1) row[k] = total > 0 ? row[k] / total : 0;
}
