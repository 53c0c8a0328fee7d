// A plane as a matrix: what reads by row, what is read by column; zoomed and moved by zoom.js. Draws whatever
// panel its host gives: { kind, planes: [{ weights, color }], plane, top, rows, columns, label }.

const LABEL = 12; // pixels
const LONGEST = 92; // pixels of a label, then it is cut

class Matrix {
  // host: { view, panel(), focus(), hover(cell), click(cell), tip(event, cell), zoom, tall, buttons }
  constructor(section, host) {
    this.section = section;
    this.host = host;
    this.canvas = section.querySelector(".plot canvas");
    this.canvas.tabIndex = 0;
    this.legend = new Legend(section.querySelector(".legend"));
    this.still = document.createElement("canvas");
    const buttons = section.querySelector(".zoom") ?? host.buttons;
    this.dragged = zoomable(this.canvas, buttons, host.zoom, () => this.box());
    this.redraw = () => {
      buttons?.toggleAttribute("data-zoomed", host.zoom.factor > 1);
      this.canvas.toggleAttribute("data-zoomed", host.zoom.factor > 1);
      this.drawn = false;
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.paint());
    };
    host.zoom.users.add(this.redraw);
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => {
      host.view.tip.hide();
      host.hover(null);
    });
    this.canvas.addEventListener("click", (event) => {
      const cell = this.dragged() ? null : this.at(event);
      if (cell) host.click(cell);
    });
  }

  box() {
    return { left: this.left, top: this.top, width: this.wide, height: this.high };
  }

  // Where things lie: labels take what the longest token needs, up to a limit; cells share the rest.
  measure() {
    const { rows, columns } = this.panel;
    const context = this.canvas.getContext("2d");
    context.font = this.font();
    const cut = ({ name }) => clip(context, name, LONGEST);
    this.labels = { rows: rows.map(cut), columns: columns.map(cut) };
    const length = (label) => context.measureText(label).width;
    const longest = (labels) => Math.max(0, ...labels.map(length));
    this.left = Math.max(this.host.tall ? 62 : 0, Math.ceil(longest(this.labels.rows)) + 10); // two of them align
    this.top = Math.ceil(longest(this.labels.columns) * Math.SQRT1_2 + LABEL) + 4;
    const count = columns.length;
    const lean = (k) => length(this.labels.columns[k]) * Math.SQRT1_2 - (count - 1 - k) * LABEL;
    const last = Array.from({ length: Math.min(6, count) }, (_, k) => lean(count - 1 - k));
    const room = this.section.clientWidth;
    const side = room - this.left - Math.ceil(Math.max(8, ...last));
    const most = this.host.tall ? side : Math.min(side, 620, (620 / Math.max(1, rows.length)) * count);
    let cell = Math.min(30, Math.max(20, most) / Math.max(1, count));
    if (cell >= 8) cell = Math.floor(cell * 2) / 2;
    this.cell = [cell, this.host.tall ? Math.max(20, Math.min(26, cell)) : cell]; // across and down
    [this.wide, this.high] = [cell * count, this.cell[1] * rows.length];
    this.width = room;
    this.height = this.top + this.high + 8; // the last label is taller than a small cell
  }

  font(weight = 400) {
    return `${weight} ${LABEL}px ${this.host.view.theme.font}`;
  }

  draw() {
    this.panel = this.host.panel();
    this.section.toggleAttribute("data-empty", !this.panel);
    if (!this.panel || this.section.clientWidth === 0) return;
    const { rows, columns, label } = this.panel;
    this.measure();
    this.images = new Images(this.panel, this.host.view.theme);
    this.drawn = false;
    this.paint();
    this.legend.draw(this.panel, this.host.view.theme);
    const size = `${rows.length} by ${columns.length} weights`;
    this.canvas.setAttribute("aria-label", `${label} as a matrix of ${size}`);
  }

  // Pixel of the left edge of column k (or the upper edge of row k).
  x(k) {
    const { factor, x } = this.host.zoom;
    return this.left + (k * this.cell[0] - x * this.wide) * factor;
  }

  y(k) {
    const { vertical, y } = this.host.zoom;
    return this.top + (k * this.cell[1] - y * this.high) * vertical;
  }

  paint() {
    if (!this.images) return;
    const focus = this.host.focus();
    const context = sized(this.canvas, this.width, this.height);
    if (!this.drawn) {
      this.cells(context);
      this.write(context);
      this.still.width = this.canvas.width;
      this.still.height = this.canvas.height;
      this.still.getContext("2d").drawImage(this.canvas, 0, 0);
      this.drawn = true;
    } else {
      context.drawImage(this.still, 0, 0, this.width, this.height);
    }
    if (focus !== null) this.crosshair(context, focus);
  }

  cells(context) {
    const { zoom, view } = this.host;
    const { rows, columns } = this.panel;
    const ratio = window.devicePixelRatio || 1;
    const across = this.cell[0] * zoom.factor;
    const down = this.cell[1] * zoom.vertical;
    const image = this.images.at(across * ratio, down * ratio);
    const [u, v] = [zoom.x * image.width, zoom.y * image.height];
    const [w, h] = [image.width / zoom.factor, image.height / zoom.vertical];
    context.imageSmoothingEnabled = false;
    context.drawImage(image, u, v, w, h, this.left, this.top, this.wide, this.high);
    if (across < 12 || down < 12) return;
    context.strokeStyle = css(view.theme.background);
    context.lineWidth = 1;
    context.beginPath();
    for (let k = 1; k < columns.length; k += 1) {
      if (this.x(k) <= this.left || this.x(k) >= this.left + this.wide) continue;
      context.moveTo(this.x(k), this.top);
      context.lineTo(this.x(k), this.top + this.high);
    }
    for (let k = 1; k < rows.length; k += 1) {
      if (this.y(k) <= this.top || this.y(k) >= this.top + this.high) continue;
      context.moveTo(this.left, this.y(k));
      context.lineTo(this.left + this.wide, this.y(k));
    }
    context.stroke();
  }

  crosshair(context, { from = null, to = null }) {
    const { theme } = this.host.view;
    const [across, down] = [this.cell[0] * this.host.zoom.factor, this.cell[1] * this.host.zoom.vertical];
    context.save();
    context.beginPath();
    context.rect(this.left - 1, this.top - 1, this.wide + 2, this.high + 2);
    context.clip();
    context.fillStyle = css(theme.background, 0.55); // what is not meant steps back
    const [x, y] = [this.x(to ?? 0), this.y(from ?? 0)];
    if (from !== null && to === null) {
      context.fillRect(this.left, this.top, this.wide, y - this.top);
      context.fillRect(this.left, y + down, this.wide, this.top + this.high - y - down);
    } else if (to !== null && from === null) {
      context.fillRect(this.left, this.top, x - this.left, this.high);
      context.fillRect(x + across, this.top, this.left + this.wide - x - across, this.high);
    }
    const both = from !== null && to !== null;
    context.strokeStyle = theme.ink;
    context.lineWidth = 1;
    context.globalAlpha = both ? 0.55 : 1;
    if (from !== null) context.strokeRect(this.left - 0.5, y - 0.5, this.wide + 1, down + 1);
    if (to !== null) context.strokeRect(x - 0.5, this.top - 0.5, across + 1, this.high + 1);
    context.globalAlpha = 1;
    if (both) {
      context.strokeStyle = theme.accent;
      context.lineWidth = 2;
      context.strokeRect(x - 1, y - 1, across + 2, down + 2);
    }
    context.restore();
    context.textBaseline = "middle";
    context.fillStyle = theme.ink;
    if (from !== null) this.label(context, "rows", from, true);
    if (to !== null) this.label(context, "columns", to, true);
  }

  // As many labels as there is room for; slanted ones need more of it.
  write(context) {
    const { factor, vertical } = this.host.zoom;
    this.every = {
      rows: Math.ceil((LABEL + 1) / (this.cell[1] * vertical)),
      columns: Math.ceil((1.3 * LABEL) / (this.cell[0] * factor)),
    };
    context.textBaseline = "middle";
    context.fillStyle = this.host.view.theme.ink;
    for (const name of ["rows", "columns"]) {
      for (let k = 0; k < this.labels[name].length; k += this.every[name]) this.label(context, name, k, false);
    }
    context.globalAlpha = 1;
  }

  // One label beside its cell, if that is in sight; a chosen one over what stands there.
  label(context, name, k, chosen) {
    const text = this.labels[name][k];
    const across = name === "columns";
    const middle = across ? (this.x(k) + this.x(k + 1)) / 2 : (this.y(k) + this.y(k + 1)) / 2;
    const [low, size] = across ? [this.left, this.wide] : [this.top, this.high];
    if (text === undefined || middle < low || middle > low + size) return;
    context.save();
    context.font = this.font(chosen ? 700 : 400);
    context.textAlign = across ? "left" : "right";
    context.translate(across ? middle : this.left - 7, across ? this.top - 7 : middle);
    context.rotate(across ? -Math.PI / 4 : 0);
    if (chosen) {
      const { theme } = this.host.view;
      const length = context.measureText(text).width + 4;
      context.fillStyle = css(theme.background);
      const half = this.cover(name);
      if (across) context.fillRect(-4, -half, length + 8, 2 * half);
      else context.fillRect(-this.left, -half, this.left + 4, 2 * half);
      context.fillStyle = theme.ink;
    }
    context.globalAlpha = chosen ? 1 : this.panel[name][k].special ? 0.6 : 0.85;
    context.fillText(text, 0, 0);
    context.restore();
  }

  // Half the height that a chosen label takes: its own, and that of the neighbours which it would touch.
  cover(name) {
    const across = name === "columns";
    const gap = across ? this.cell[0] * this.host.zoom.factor * Math.SQRT1_2 : this.cell[1] * this.host.zoom.vertical;
    const step = gap * this.every[name];
    return Math.floor((1.3 * LABEL) / step) * step + 0.55 * LABEL;
  }

  at(event) {
    if (!this.panel) return null;
    const box = this.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const { factor, vertical, x, y } = this.host.zoom;
    const to = Math.floor(((px - this.left) / factor + x * this.wide) / this.cell[0]);
    const from = Math.floor(((py - this.top) / vertical + y * this.high) / this.cell[1]);
    const seen = (p, low, size) => p >= low && p < low + size;
    const rows = seen(py, this.top, this.high) && from < this.panel.rows.length;
    const columns = seen(px, this.left, this.wide) && to < this.panel.columns.length;
    if (rows && columns) return { from, to };
    if (rows && px < this.left) return { from }; // on a row's label
    return null;
  }

  hover(event) {
    if (this.dragged() && event.buttons > 0) return this.host.view.tip.hide();
    const cell = this.at(event);
    this.host.hover(cell);
    if (!cell || cell.to === undefined) return this.host.view.tip.hide();
    return this.host.tip(event, cell);
  }
}

// A label no wider than `limit` pixels; the cut is visible.
function clip(context, text, limit) {
  if (context.measureText(text).width <= limit) return text;
  const letters = Array.from(text);
  while (letters.length > 1 && context.measureText(`${letters.join("")}…`).width > limit) letters.pop();
  return `${letters.join("")}…`;
}
