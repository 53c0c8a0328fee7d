// What the drawings draw: one plane, several laid over each other, or the difference of two, all shaped alike.
//
// { kind, planes: [{ weights, color }], plane, top, hidden }: `plane` is what figures come from (of several heads
// the largest weight), `top` what has the full shade, `hidden` the mean share that went to hidden tokens. With two
// models also { before, after, compared: { before, after, main } }, a panel for each matrix.

function computeShown(view, asked) {
  const make = (key) => shaped(view.planes.get(key), view.frame, asked);
  const keys = view.needed();
  if (view.map.base !== null) return comparedShown(view.lens, make(keys[0]), make(keys[1]));
  const heads = view.overlay.all();
  const planes = keys.map((key, k) => {
    const place = heads[k] ?? view.selection;
    return { ...make(key), place, color: view.overlay.acts ? view.overlay.color(place) : null };
  });
  const top = scaleTop(planes.map(({ weights }) => weights));
  const hidden = mean(planes[0].hidden);
  if (planes.length === 1) return { kind: "single", planes, plane: planes[0].weights, top, hidden };
  const plane = planes[0].weights.map((w, k) => Math.max(...planes.map(({ weights }) => weights[k])));
  return { kind: "overlay", planes, plane, top };
}

function comparedShown(lens, after, before) {
  const change = after.weights.map((w, k) => w - before.weights[k]);
  const panel = (kind, weights, top) => ({ kind, planes: [{ weights }], plane: weights, top });
  const top = scaleTop([after.weights, before.weights]);
  const compared = {
    after: panel("single", after.weights, top),
    before: panel("single", before.weights, top),
    main: panel("difference", change, scaleTop([change], true)),
  };
  const own = compared[lens === "difference" ? "main" : lens];
  return { ...own, after, before, compared, hidden: mean((lens === "before" ? before : after).hidden) };
}

// What one matrix shows, or null where nothing is left to show. `role`: "main", and with two models "before", "after".
function panelOf(view, role) {
  if (!view.shown || view.frame.rows.length === 0 || view.frame.columns.length === 0) return null;
  const { rows, columns } = view.frame;
  const label = role === "main" ? titleOf(view) : `${titleOf(view)}, ${role}`;
  const own = view.shown.compared ? view.shown.compared[role] : view.shown;
  return { ...own, rows, columns, label };
}

// The colour of a line: of its head, of its sign, or of the text that its token is part of.
function inkOf(view, plane, row, weight) {
  const { shown, theme, frame } = view;
  if (shown.kind === "difference") return theme.signs[weight > 0 ? 1 : 0];
  const { color } = shown.planes[plane];
  return color ? css(color) : theme.inks[frame.rows[row].segment];
}

function mean(values) {
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length;
}
