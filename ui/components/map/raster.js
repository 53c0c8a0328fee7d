// Points as pixels. One write a pixel into a buffer of 32-bit colours: 20,000 points take a few milliseconds, with
// or without a graphics card. Opaque throughout, so that blending a rim is one mix with what lies there.

const MARGIN = 32; // pixels around the picture, so that a point at the edge need not be cut
const EDGE = MARGIN / 2; // from here on a point is off the picture
const LARGEST = EDGE - 2; // radius of a point in pixels

function rgb(color, scratch) {
  scratch.fillStyle = "#000";
  scratch.fillStyle = color;
  scratch.fillRect(0, 0, 1, 1);
  return [...scratch.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

function mix(front, back, share) {
  return front.map((value, k) => Math.round(share * value + (1 - share) * back[k]));
}

const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function packed([red, green, blue]) {
  const value = little ? (255 << 24) | (blue << 16) | (green << 8) | red : (red << 24) | (green << 16) | (blue << 8) | 255;
  return value >>> 0;
}

// A disc as rows of full pixels and a rim of partly covered ones: [dy, from, to] and [dx, dy, share of 256].
function disc(radius) {
  const reach = Math.ceil(radius + 0.5);
  const spans = [];
  const rim = [];
  for (let dy = -reach; dy <= reach; dy += 1) {
    let from = null;
    let to = null;
    for (let dx = -reach; dx <= reach; dx += 1) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (cover >= 0.99) {
        from ??= dx;
        to = dx;
      } else if (cover > 0.04) rim.push(dx, dy, Math.round(cover * 256));
    }
    if (from !== null) spans.push(dy, from, to);
  }
  return { spans, rim };
}

class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    const one = document.createElement("canvas");
    one.width = one.height = 1;
    this.scratch = one.getContext("2d", { willReadFrequently: true });
  }

  resize(width, height, ratio) {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.stride = this.canvas.width + 2 * MARGIN;
    this.lines = this.canvas.height + 2 * MARGIN;
    this.image = new ImageData(this.stride, this.lines);
    this.buffer = new Uint32Array(this.image.data.buffer);
  }

  // Colours of the palette, bright and dim; an entry without a colour is quiet.
  palette(entries, background, ink) {
    const back = rgb(background, this.scratch);
    const front = rgb(ink, this.scratch);
    const colors = entries.map((entry) => (entry.color ? rgb(entry.color, this.scratch) : mix(front, back, 0.34)));
    this.back = packed(back);
    this.bright = Uint32Array.from(colors, packed);
    this.dim = Uint32Array.from(colors, (color, k) => packed(mix(color, back, entries[k].color ? 0.22 : 0.4)));
  }

  // `order`: points from the lowest to the highest; `lit[i]`: 0 where the point is dim; `radius` in CSS pixels.
  draw({ xy, hues, order, lit, quiet }, { k, x, y }, radius) {
    const { buffer, stride, lines, ratio, bright, dim } = this;
    const big = disc(Math.min(radius * ratio, LARGEST));
    const small = disc(Math.min(0.8 * radius * ratio, LARGEST));
    const [kx, ox, oy] = [k * ratio, x * ratio + MARGIN, y * ratio + MARGIN];
    buffer.fill(this.back);
    for (let n = 0; n < order.length; n += 1) {
      const i = order[n];
      const px = Math.round(xy[2 * i] * kx + ox);
      const py = Math.round(oy - xy[2 * i + 1] * kx);
      if (px < EDGE || py < EDGE || px >= stride - EDGE || py >= lines - EDGE) continue;
      const hue = hues[i];
      const color = lit[i] ? bright[hue] : dim[hue];
      const { spans, rim } = quiet[hue] ? small : big;
      const at = py * stride + px;
      for (let s = 0; s < spans.length; s += 3) {
        const line = at + spans[s] * stride;
        for (let p = line + spans[s + 1]; p <= line + spans[s + 2]; p += 1) buffer[p] = color;
      }
      for (let r = 0; r < rim.length; r += 3) {
        const p = at + rim[r + 1] * stride + rim[r];
        const [under, share] = [buffer[p], rim[r + 2]];
        // two channels at a time: the odd and the even bytes of the colour
        const even = under & 0x00ff00ff;
        const odd = (under >>> 8) & 0x00ff00ff;
        const rest = 256 - share;
        const mixedEven = ((even * rest + (color & 0x00ff00ff) * share) >>> 8) & 0x00ff00ff;
        const mixedOdd = ((odd * rest + ((color >>> 8) & 0x00ff00ff) * share) >>> 8) & 0x00ff00ff;
        buffer[p] = (mixedEven | (mixedOdd << 8)) >>> 0;
      }
    }
    this.context.putImageData(this.image, -MARGIN, -MARGIN);
  }
}
