// Where points are: the nearest to the pointer, those inside an outline. Data coordinates throughout.

class Places {
  constructor(xy) {
    this.xy = xy;
    this.count = xy.length / 2;
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.count; i += 1) {
      left = Math.min(left, xy[2 * i]);
      right = Math.max(right, xy[2 * i]);
      low = Math.min(low, xy[2 * i + 1]);
      high = Math.max(high, xy[2 * i + 1]);
    }
    if (!this.count) [left, right, low, high] = [-1, 1, -1, 1];
    Object.assign(this, { left, right, low, high });
    this.side = Math.max(1, Math.min(256, Math.ceil(Math.sqrt(this.count / 3))));
    this.wide = Math.max(right - left, 1e-6) / this.side;
    this.tall = Math.max(high - low, 1e-6) / this.side;
    this.fill();
  }

  // Points sorted by cell; starts[c] to starts[c + 1] are those of cell c.
  fill() {
    const { xy, count, side } = this;
    const cells = new Uint32Array(count);
    this.starts = new Uint32Array(side * side + 1);
    for (let i = 0; i < count; i += 1) {
      cells[i] = this.row(xy[2 * i + 1]) * side + this.column(xy[2 * i]);
      this.starts[cells[i] + 1] += 1;
    }
    for (let c = 0; c < side * side; c += 1) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.sorted = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      this.sorted[next[cells[i]]] = i;
      next[cells[i]] += 1;
    }
  }

  column(x) {
    return Math.min(this.side - 1, Math.max(0, Math.floor((x - this.left) / this.wide)));
  }

  row(y) {
    return Math.min(this.side - 1, Math.max(0, Math.floor((y - this.low) / this.tall)));
  }

  // Calls `take(i)` for every point in the cells that touch the box.
  within(left, right, low, high, take) {
    if (right < this.left || left > this.right || high < this.low || low > this.high) return;
    const [first, last] = [this.column(left), this.column(right)];
    for (let row = this.row(low); row <= this.row(high); row += 1) {
      const from = this.starts[row * this.side + first];
      const to = this.starts[row * this.side + last + 1];
      for (let n = from; n < to; n += 1) take(this.sorted[n]);
    }
  }

  // The nearest point that `counts` within a distance, or -1.
  nearest(x, y, distance, counts) {
    let [best, found] = [distance * distance, -1];
    this.within(x - distance, x + distance, y - distance, y + distance, (i) => {
      const far = (this.xy[2 * i] - x) ** 2 + (this.xy[2 * i + 1] - y) ** 2;
      if (far <= best && counts(i)) [best, found] = [far, i];
    });
    return found;
  }

  // Points inside a closed outline [x, y, x, y, …], by the even-odd rule, ascending.
  inside(outline, counts) {
    const { xy } = this;
    const corners = outline.length / 2;
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let c = 0; c < corners; c += 1) {
      left = Math.min(left, outline[2 * c]);
      right = Math.max(right, outline[2 * c]);
      low = Math.min(low, outline[2 * c + 1]);
      high = Math.max(high, outline[2 * c + 1]);
    }
    const found = [];
    if (corners < 3) return found;
    this.within(left, right, low, high, (i) => {
      const [x, y] = [xy[2 * i], xy[2 * i + 1]];
      if (x < left || x > right || y < low || y > high || !counts(i)) return;
      let odd = false;
      for (let c = 0, d = corners - 1; c < corners; d = c, c += 1) {
        const [yc, yd] = [outline[2 * c + 1], outline[2 * d + 1]];
        if (yc > y === yd > y) continue;
        const [xc, xd] = [outline[2 * c], outline[2 * d]];
        if (x < ((xd - xc) * (y - yc)) / (yd - yc) + xc) odd = !odd;
      }
      if (odd) found.push(i);
    });
    return found.sort((a, b) => a - b);
  }
}
