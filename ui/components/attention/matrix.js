// The same plane as a matrix: from by row, to by column. Linked with the lines through the view's focus.

class Matrix {
  constructor(view) {
    this.view = view;
    this.section = view.find(".matrix");
    this.plot = view.find(".plot");
    this.canvas = view.find(".plot canvas");
    this.legend = view.find(".legend canvas");
    this.figures = { middle: view.find(".legend .middle"), high: view.find(".legend .high") };
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => {
      view.hideTip();
      view.focusOn(null);
    });
    this.canvas.addEventListener("click", (event) => {
      const cell = this.at(event);
      if (cell) view.pin(cell);
    });
  }

  // Where things lie: labels take what the longest token needs, up to a limit; cells share the rest.
  measure() {
    const { tokens } = this.view.map;
    const count = tokens.length;
    const context = this.canvas.getContext("2d");
    const room = this.section.clientWidth;
    this.size = 12;
    context.font = this.font();
    this.labels = tokens.map((token) => clip(context, token, 92));
    const longest = Math.max(...this.labels.map((label) => context.measureText(label).width));
    this.left = Math.ceil(longest) + 10;
    this.top = Math.ceil(longest * Math.SQRT1_2 + this.size) + 4;
    const lean = (k) => context.measureText(this.labels[k]).width * Math.SQRT1_2 - (count - 1 - k) * 12;
    const last = Array.from({ length: Math.min(6, count) }, (_, k) => lean(count - 1 - k));
    const side = Math.min(room - this.left - Math.ceil(Math.max(8, ...last)), 620);
    this.cell = Math.min(30, side / count);
    if (this.cell >= 8) this.cell = Math.floor(this.cell * 2) / 2;
    // every label is written where there is room; slanted ones need more of it
    this.every = { from: Math.ceil((this.size + 1) / this.cell), to: Math.ceil((1.3 * this.size) / this.cell) };
    this.width = room;
    this.height = this.top + this.cell * count + 8; // the last label is taller than a small cell
  }

  font(weight = 400) {
    return `${weight} ${this.size}px ${this.view.theme.font}`;
  }

  draw() {
    const { map, theme, plane, top } = this.view;
    this.measure();
    const count = map.tokens.length;
    const shades = new Uint8Array(count * count);
    for (let k = 0; k < shades.length; k += 1) shades[k] = shade(plane[k], top);
    const room = Math.floor(this.cell * count * (window.devicePixelRatio || 1));
    const [seen, side] = room < count ? pooled(shades, count, room) : [shades, count];
    this.image = picture(seen, side, side, theme.ramp);
    this.paint();
    this.drawLegend();
    this.canvas.setAttribute("aria-label", `${this.view.title()} as a matrix of ${count} by ${count} weights`);
  }

  paint() {
    if (!this.image) return;
    const { theme, focus } = this.view;
    const count = this.view.map.tokens.length;
    const side = this.cell * count;
    const context = sized(this.canvas, this.width, this.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, this.left, this.top, side, side);
    const gap = this.cell >= 12 ? 1 : 0;
    context.strokeStyle = css(theme.background);
    context.lineWidth = gap;
    for (let k = 1; gap && k < count; k += 1) {
      const [x, y] = [this.left + k * this.cell, this.top + k * this.cell];
      context.beginPath();
      context.moveTo(x, this.top);
      context.lineTo(x, this.top + side);
      context.moveTo(this.left, y);
      context.lineTo(this.left + side, y);
      context.stroke();
    }
    this.crosshair(context, focus, side);
    this.writeLabels(context, focus);
  }

  crosshair(context, focus, side) {
    if (focus === null) return;
    const { from = null, to = null } = focus;
    const style = getComputedStyle(this.view.root);
    const [ink, accent] = [style.color, style.getPropertyValue("--st-primary-color")];
    context.fillStyle = css(this.view.theme.background, 0.55); // what is not meant steps back
    const [y, x] = [this.top + (from ?? 0) * this.cell, this.left + (to ?? 0) * this.cell];
    const veil = (a, b, w, h) => context.fillRect(a, b, w, h);
    if (from !== null && to === null) {
      veil(this.left, this.top, side, y - this.top);
      veil(this.left, y + this.cell, side, this.top + side - y - this.cell);
    } else if (to !== null && from === null) {
      veil(this.left, this.top, x - this.left, side);
      veil(x + this.cell, this.top, this.left + side - x - this.cell, side);
    }
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.globalAlpha = from !== null && to !== null ? 0.55 : 1;
    if (from !== null) context.strokeRect(this.left - 0.5, y - 0.5, side + 1, this.cell + 1);
    if (to !== null) context.strokeRect(x - 0.5, this.top - 0.5, this.cell + 1, side + 1);
    context.globalAlpha = 1;
    if (from !== null && to !== null) {
      context.strokeStyle = accent;
      context.lineWidth = 2;
      context.strokeRect(x - 1, y - 1, this.cell + 2, this.cell + 2);
    }
  }

  writeLabels(context, focus) {
    const { from = null, to = null } = focus ?? {};
    const { special } = this.view.map;
    const style = getComputedStyle(this.view.root);
    const ink = style.color;
    const near = (k, chosen) => chosen !== null && k !== chosen && Math.abs(k - chosen) * this.cell < 1.3 * this.size;
    context.textBaseline = "middle";
    this.labels.forEach((label, k) => {
      const middle = (k + 0.5) * this.cell;
      const write = (chosen, every, x, y, turn, align) => {
        if (k !== chosen && (k % every !== 0 || near(k, chosen))) return;
        context.save();
        context.translate(x, y);
        context.rotate(turn);
        context.font = this.font(k === chosen ? 700 : 400);
        context.fillStyle = ink;
        context.globalAlpha = k === chosen ? 1 : special[k] ? 0.6 : 0.85;
        context.textAlign = align;
        context.fillText(label, 0, 0);
        context.restore();
      };
      write(from, this.every.from, this.left - 7, this.top + middle, 0, "right");
      write(to, this.every.to, this.left + middle, this.top - 7, -Math.PI / 4, "left");
    });
  }

  drawLegend() {
    const [width, height] = [160, 8];
    const context = sized(this.legend, width, height);
    for (let x = 0; x < width; x += 1) {
      context.fillStyle = css(this.view.theme.ramp[shade(x / (width - 1), 1)]);
      context.fillRect(x, 0, 1.5, height);
    }
    this.figures.middle.textContent = String(Number((this.view.top / 4).toFixed(3))); // the shade grows as the root
    this.figures.high.textContent = String(this.view.top);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const count = this.view.map.tokens.length;
    const to = Math.floor((event.clientX - box.left - this.left) / this.cell);
    const from = Math.floor((event.clientY - box.top - this.top) / this.cell);
    const inside = (k) => k >= 0 && k < count;
    if (inside(from) && inside(to)) return { from, to };
    if (inside(from) && to < 0) return { from }; // on a row's label
    return null;
  }

  hover(event) {
    const cell = this.at(event);
    this.view.focusOn(cell);
    if (!cell || cell.to === undefined) return this.view.hideTip();
    const { tokens } = this.view.map;
    const weight = this.view.plane[cell.from * tokens.length + cell.to];
    return this.view.showTip(event, `${tokens[cell.from]} → ${tokens[cell.to]}`, figure(weight));
  }
}

// More cells than pixels: each pixel the strongest of its cells, so that no spike is lost. Returns [shades, side].
function pooled(shades, count, side) {
  const small = new Uint8Array(side * side);
  for (let i = 0; i < count; i += 1) {
    const row = Math.floor((i * side) / count) * side;
    for (let j = 0; j < count; j += 1) {
      const at = row + Math.floor((j * side) / count);
      small[at] = Math.max(small[at], shades[i * count + j]);
    }
  }
  return [small, side];
}

// A label no wider than `limit` pixels; the cut is visible.
function clip(context, text, limit) {
  if (context.measureText(text).width <= limit) return text;
  const letters = Array.from(text);
  while (letters.length > 1 && context.measureText(`${letters.join("")}…`).width > limit) letters.pop();
  return `${letters.join("")}…`;
}
