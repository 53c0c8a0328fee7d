// What Python packs (core/explain/picture.py) and how a plane's bytes become weights again.
//
// One run of bytes: header length (uint32), header (JSON), thumbnails (uint8), planes, each part beginning at a
// multiple of four; little-endian. header.planes lists [key, rows, columns, scale]: scale 0 means float32, else
// the plane holds the root of weight / scale in steps of 1 / 65535 (header.bits 16) or 1 / 255 (8).

const KEEP_BYTES = 24e6; // planes kept for going back without a trip

function unpack(bytes) {
  const own = bytes.slice(); // aligned, and ours to keep
  const length = new DataView(own.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)));
  const padded = (size) => Math.ceil(size / 4) * 4;
  let at = 4 + padded(length);
  const size = header.thumbs.reduce((a, b) => a * b, 1);
  const thumbnails = own.subarray(at, at + size);
  at += padded(size);
  const arrived = header.planes.map(([key, rows, columns, scale]) => {
    const count = rows * columns;
    const Kind = scale === 0 ? Float32Array : header.bits === 16 ? Uint16Array : Uint8Array;
    const data = new Kind(own.buffer, at, count);
    at += padded(count * Kind.BYTES_PER_ELEMENT);
    return [key, { rows, columns, scale, data }];
  });
  return { ...header, thumbnails, arrived };
}

// The planes that have come, by key, as they came; the oldest leave when there are too many.
class Planes {
  constructor(limit = KEEP_BYTES) {
    this.limit = limit;
    this.held = new Map();
  }

  // For another map, of so many layers and heads.
  reset({ layers, heads }) {
    this.size = { layers, heads };
    this.held.clear();
  }

  has(key) {
    return this.held.has(key) || this.parts(key).every((part) => this.held.has(part));
  }

  // The planes that hold the rows of "over:T" and "heads:L:T"; without any, the key itself.
  parts(key) {
    const base = key.startsWith("base:") ? "base:" : "";
    const [kind, layer] = key.slice(base.length).split(":");
    const each = (count, name) => Array.from({ length: count }, (_, k) => `${base}${name(k)}`);
    if (kind === "over") return each(this.size.layers, (k) => `average:${k}`);
    return kind === "heads" ? each(this.size.heads, (k) => `head:${layer}:${k}`) : [key];
  }

  keys() {
    return [...this.held.keys()];
  }

  add(entries) {
    for (const [key, plane] of entries) {
      this.held.delete(key);
      this.held.set(key, plane);
    }
    const fresh = new Set(entries.map(([key]) => key));
    let bytes = 0;
    for (const plane of this.held.values()) bytes += plane.data.byteLength;
    for (const [oldest, plane] of this.held) {
      if (bytes <= this.limit || fresh.has(oldest)) break;
      this.held.delete(oldest);
      bytes -= plane.data.byteLength;
    }
  }

  // { weights: Float32Array, rows, columns }, or undefined where the plane has not come.
  get(key) {
    const plane = this.held.get(key);
    if (!plane) return this.has(key) ? this.gathered(key) : undefined;
    const { rows, columns, scale, data } = plane;
    if (scale === 0) return { weights: data, rows, columns };
    const levels = data instanceof Uint16Array ? 65535 : 255;
    const weights = new Float32Array(data.length);
    const step = scale / levels ** 2;
    for (let k = 0; k < data.length; k += 1) weights[k] = data[k] * data[k] * step;
    return { weights, rows, columns };
  }

  gathered(key) {
    const token = Number(key.split(":").at(-1));
    const planes = this.parts(key).map((part) => this.get(part));
    const { columns } = planes[0];
    const weights = new Float32Array(planes.length * columns);
    planes.forEach((plane, k) => {
      weights.set(plane.weights.subarray(token * columns, (token + 1) * columns), k * columns);
    });
    return { weights, rows: planes.length, columns };
  }
}
