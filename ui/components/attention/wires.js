// The lines between two columns of tokens, on a canvas. What is drawn while no token is pointed at is kept as a
// picture, so that pointing costs only the lines of one token.

const MOST_LINES = 5000; // more would blur into a surface, and cost time to draw
const FAINTEST = 0.004; // below this share of the scale's top a line cannot be seen

class Wires {
  constructor(lines) {
    this.lines = lines;
    this.view = lines.view;
    this.still = document.createElement("canvas");
  }

  // The weights worth a line, faintest first so that strong ones lie on top: pairs of plane and place.
  plan() {
    const { planes, top } = this.view.shown;
    const seen = [];
    planes.forEach(({ weights }) => {
      for (const weight of weights) if (Math.abs(weight) >= top * FAINTEST) seen.push(Math.abs(weight));
    });
    const least =
      seen.length > MOST_LINES ? Float32Array.from(seen).sort()[seen.length - MOST_LINES] : top * FAINTEST;
    const chosen = [];
    planes.forEach(({ weights }, plane) => {
      for (let k = 0; k < weights.length; k += 1) {
        const size = Math.abs(weights[k]);
        if (size >= least) chosen.push({ plane, k, size });
      }
    });
    this.chosen = chosen.sort((a, b) => a.size - b.size).slice(-MOST_LINES);
    this.left = seen.length - this.chosen.length;
    this.drawn = null;
  }

  paint() {
    if (!this.chosen || !this.view.shown) return;
    const { canvas, width, height, scroller } = this.lines;
    const context = sized(canvas, width, height);
    const { focus } = this.view;
    if (focus !== null) {
      for (const { plane, k, strength, least } of this.own(focus)) this.line(context, plane, k, strength, least, true);
      context.globalAlpha = 1;
      return;
    }
    const sign = `${width}x${height}@${scroller.scrollTop}`;
    if (this.drawn !== sign) {
      for (const { plane, k } of this.chosen) this.line(context, plane, k, 1, 0, false);
      context.globalAlpha = 1;
      this.still.width = canvas.width;
      this.still.height = canvas.height;
      this.still.getContext("2d").drawImage(canvas, 0, 0);
      this.drawn = sign;
    } else {
      context.drawImage(this.still, 0, 0, width, height);
    }
  }

  line(context, plane, k, strength, least, alone) {
    const { shown, frame } = this.view;
    const { row, width, height, scroller } = this.lines;
    const [i, j] = [Math.floor(k / frame.columns.length), k % frame.columns.length];
    const offset = scroller.scrollTop;
    const [y1, y2] = [(i + 0.5) * row - offset, (j + 0.5) * row - offset];
    if ((y1 < 0 && y2 < 0) || (y1 > height && y2 > height)) return;
    const weight = shown.planes[plane].weights[k];
    const share = Math.min(1, Math.abs(weight) / shown.top);
    // with few lines on the page even faint ones may be seen
    const alpha = alone ? 0.12 + 0.83 * share ** 0.6 : 0.03 + 0.87 * share ** 0.75;
    context.globalAlpha = Math.max(least, alpha * strength);
    context.lineWidth = 0.75 + 3.25 * share;
    context.strokeStyle = inkOf(this.view, plane, i, weight);
    const bend = width * 0.42;
    context.beginPath();
    context.moveTo(0, y1);
    context.bezierCurveTo(bend, y1, width - bend, y2, width, y2);
    context.stroke();
  }

  // The lines of one token, all of them; with both ends given, that one line stands out among the row's.
  own({ from = null, to = null }) {
    const { shown, frame } = this.view;
    const [high, wide] = [frame.rows.length, frame.columns.length];
    const one = from !== null && to !== null;
    const count = shown.planes.length * (from !== null ? wide : high);
    const faint = count > 256 ? (shown.top * FAINTEST) / 2 : 0; // among so many nobody would see them
    const lines = [];
    for (let other = 0; other < (from !== null ? wide : high); other += 1) {
      const k = from !== null ? from * wide + other : other * wide + to;
      const meant = one && other === to;
      shown.planes.forEach(({ weights }, plane) => {
        const size = Math.abs(weights[k]);
        if (size <= faint) return; // what is masked or left out has no line
        lines.push({ plane, k, size, strength: one && !meant ? 0.35 : 1, least: meant ? 0.5 : 0 });
      });
    }
    return lines.sort((a, b) => a.least - b.least || a.size - b.size);
  }
}
