// The numbers themselves: the packet that Python sends, and the drawer in which a box lies open.

// Header length (uint32), header (JSON), then float32 arrays, each named in the header with its shape.
function unpack(bytes) {
  const own = bytes.slice(); // aligned, and ours to keep
  const length = new DataView(own.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)));
  let at = 4 + Math.ceil(length / 4) * 4;
  const arrays = {};
  for (const [name, shape] of header.arrays) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = { shape, data: new Float32Array(own.buffer, at, size) };
    at += 4 * size;
  }
  return { ...header, arrays };
}

const MOST_NUMBERS = 4096;

class Drawer {
  constructor(root) {
    this.node = root;
    this.node.hidden = true;
  }

  close() {
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  // `values`: what to show; `how(k)`: how the k-th of them comes about, as text.
  open(ink, { title, values, note = "", how = null, first = null }) {
    const close = make("button", "plain", "Close");
    close.type = "button";
    close.setAttribute("aria-label", "Close the numbers");
    close.addEventListener("click", () => this.close());
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const facts = `${values.length.toLocaleString("en")} numbers · mean ${figure(mean(values), 3)} · spread ${figure(spread(values), 3)} · from ${figure(low)} to ${figure(high)}`;
    const head = make("header", "", make("h4", "", title), close);
    const parts = [head, make("p", "quiet", facts)];
    if (note) parts.push(make("p", "quiet", note));
    const telling = make("p", "how");
    telling.setAttribute("aria-live", "polite");
    if (how) parts.push(telling);
    const top = usual(values);
    const cells = make("div", "cells");
    const shown = Math.min(values.length, MOST_NUMBERS);
    const nodes = [];
    const tell = (k) => {
      telling.textContent = how(k);
      for (const node of nodes) node.toggleAttribute("data-on", node === nodes[k]);
    };
    for (let k = 0; k < shown; k += 1) {
      const node = make(how ? "button" : "span", "number", figure(values[k], 3));
      const color = signedColor(ink, values[k], 1.6 * top); // paler than a strip, so that figures read
      node.style.background = css(color);
      node.style.color = textOn(color);
      node.title = `number ${k + 1}`;
      if (how) {
        node.type = "button";
        node.addEventListener("click", () => tell(k));
      }
      nodes.push(node);
    }
    cells.append(...nodes);
    parts.push(cells);
    if (shown < values.length) {
      parts.push(make("p", "quiet", `The first ${shown.toLocaleString("en")} of ${values.length.toLocaleString("en")} are shown.`));
    }
    this.node.replaceChildren(...parts);
    this.node.hidden = false;
    if (how) {
      tell(first ?? strongest(values));
    }
    this.node.scrollIntoView({ block: "nearest" });
  }
}

// One array of the packet, with its rows by number.
class Numbers {
  constructor(packet) {
    this.packet = packet;
  }

  has(name) {
    return name in this.packet.arrays;
  }

  shape(name) {
    return this.packet.arrays[name].shape;
  }

  all(name) {
    return this.packet.arrays[name].data;
  }

  // The row at these leading places: (T, D) at 3 -> D numbers; (H, T, d) at 2, 3 -> d numbers.
  row(name, ...places) {
    const { shape, data } = this.packet.arrays[name];
    let [size, at] = [data.length, 0];
    places.forEach((place, k) => {
      size /= shape[k];
      at += place * size;
    });
    return data.subarray(at, at + size);
  }

  // The column c of the matrix at one place of a pile of them (H, R, C).
  column2(name, place, c) {
    const [, rows, columns] = this.shape(name);
    const data = this.row(name, place);
    return Float32Array.from({ length: rows }, (_, r) => data[r * columns + c]);
  }

  // The column c of a matrix (R, C).
  column(name, c) {
    const { shape, data } = this.packet.arrays[name];
    return Float32Array.from({ length: shape[0] }, (_, r) => data[r * shape[1] + c]);
  }
}
