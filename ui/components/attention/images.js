// A panel's weights as a picture of one pixel a cell (or fewer), and the legend that explains its colours.

class Images {
  constructor(panel, theme) {
    this.panel = panel;
    this.theme = theme;
    this.kept = new Map();
  }

  // The picture for cells of so many device pixels. Where there are more cells than pixels, each pixel shows the
  // strongest of its cells, so that no spike is lost.
  at(across, down) {
    const { rows, columns } = this.panel;
    const fit = (size, count) => (size >= 1 ? count : Math.max(1, Math.floor(size * count)));
    const [wide, high] = [fit(across, columns.length), fit(down, rows.length)];
    const sign = `${wide}x${high}`;
    if (!this.kept.has(sign)) {
      if (this.kept.size > 2) this.kept.clear();
      this.kept.set(sign, this.make(wide, high));
    }
    return this.kept.get(sign);
  }

  make(wide, high) {
    const { kind, plane, planes, top, rows, columns } = this.panel;
    const [R, C] = [rows.length, columns.length];
    const strongest = new Int32Array(wide * high).fill(-1);
    for (let i = 0; i < R; i += 1) {
      const row = high === R ? i : Math.floor((i * high) / R);
      for (let j = 0; j < C; j += 1) {
        const at = row * wide + (wide === C ? j : Math.floor((j * wide) / C));
        const cell = i * C + j;
        if (strongest[at] < 0 || Math.abs(plane[cell]) > Math.abs(plane[strongest[at]])) strongest[at] = cell;
      }
    }
    const { ramp, diverge, background } = this.theme;
    if (kind === "single") return painted(wide, high, (k) => ramp[shade(plane[strongest[k]], top)]);
    if (kind === "difference") return painted(wide, high, (k) => diverge[signedShade(plane[strongest[k]], top)]);
    return painted(wide, high, (k) => {
      const cell = strongest[k];
      let most = planes[0];
      for (const each of planes) if (each.weights[cell] > most.weights[cell]) most = each;
      return mix(background, most.color, Math.sqrt(Math.min(1, most.weights[cell] / top)));
    });
  }
}

class Legend {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    const part = (name) => root.querySelector(`.${name}`);
    this.figures = { low: part("low"), middle: part("middle"), high: part("high") };
  }

  draw({ kind, top }, { ramp, diverge }) {
    this.root.hidden = kind === "overlay"; // the heads' names beside the lines explain those colours
    const [width, height] = [160, 8];
    const context = sized(this.canvas, width, height);
    const signed = kind === "difference";
    for (let x = 0; x < width; x += 1) {
      context.fillStyle = css((signed ? diverge : ramp)[Math.round((255 * x) / (width - 1))]);
      context.fillRect(x, 0, 1.5, height);
    }
    const tidy = (value) => String(Number(value.toFixed(3)));
    this.figures.low.textContent = signed ? `−${tidy(top)}` : "0";
    this.figures.middle.textContent = signed ? "0" : tidy(top / 4); // the shade grows as the root
    this.figures.high.textContent = signed ? `+${tidy(top)}` : tidy(top);
  }
}
