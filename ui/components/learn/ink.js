// Colour and number: how a value becomes a shade, a strip, a matrix, a figure. Knows no steps and no models.

const NS = "http://www.w3.org/2000/svg";

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined)); // strings come in as text
  return node;
}

function drawn(tag, attributes, ...children) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Our own words with marks in them (sub, b, i). Never for anything a user wrote.
function rich(tag, className, html) {
  const node = make(tag, className);
  node.innerHTML = html;
  return node;
}

// The page's colours, from the theme's variables; the same object comes back while nothing changed.
function readInk(root, known) {
  const style = getComputedStyle(root);
  const names = ["--st-background-color", "--st-chart-sequential-colors", "--st-chart-diverging-colors"];
  const sign = names.map((name) => style.getPropertyValue(name)).join("|");
  if (known?.sign === sign) return known;
  const stops = (name) => style.getPropertyValue(name).split(/,(?![^(]*\))/).map(toRgb);
  const background = toRgb(style.getPropertyValue(names[0]).trim() || "#ffffff");
  const dark = background[0] + background[1] + background[2] < 300;
  return { sign, dark, background, share: ramp(stops(names[1])), signed: ramp(stops(names[2])) };
}

function toRgb(text) {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return Array.from(context.getImageData(0, 0, 1, 1).data.slice(0, 3));
}

function ramp(stops) {
  return Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (stops.length - 1);
    const [low, high] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
    return low.map((channel, c) => Math.round(channel + (high[c] - channel) * (at % 1)));
  });
}

// Signed values around zero; `top` has the full shade.
function signedColor(ink, value, top) {
  return ink.signed[Math.max(0, Math.min(255, Math.round(127.5 + (127.5 * value) / (top || 1))))];
}

// Shares from 0; the square root keeps small ones apart.
function shareColor(ink, value, top) {
  return ink.share[Math.max(0, Math.min(255, Math.round(255 * Math.sqrt(Math.max(0, value) / (top || 1)))))];
}

function css([r, g, b], alpha = 1) {
  return `rgb(${r} ${g} ${b} / ${alpha})`;
}

// Black or white, whichever reads on the colour.
function textOn([r, g, b]) {
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#10151a" : "#ffffff";
}

// The size that nearly all values stay within: a few outliers do not pale the rest.
function usual(...arrays) {
  const sizes = [];
  for (const array of arrays) for (const value of array) sizes.push(Math.abs(value));
  sizes.sort((a, b) => a - b);
  return sizes[Math.floor(0.985 * (sizes.length - 1))] || sizes.at(-1) || 1;
}

// One pixel a value, stretched by CSS: sharp at any width, nothing to redraw when the window changes.
function pixels(rows, columns, color) {
  const canvas = make("canvas", "pixels");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let k = 0; k < rows * columns; k += 1) image.data.set([...color(k), 255], 4 * k);
  context.putImageData(image, 0, 0);
  return canvas;
}

// A vector as a strip of colours. With `open` it is a button that shows its numbers.
function strip(ink, values, { top, height = 18, open = null, label = "", alpha = 1 } = {}) {
  const most = top ?? usual(values);
  const canvas = pixels(1, values.length, (k) => signedColor(ink, values[k], most));
  canvas.style.height = `${height}px`;
  if (alpha < 1) canvas.style.opacity = alpha;
  const node = make(open ? "button" : "span", "strip", canvas);
  if (open) {
    node.type = "button";
    node.setAttribute("aria-label", `${label}: show its ${values.length} numbers`);
    node.title = `${label} · ${values.length} numbers`;
    node.addEventListener("click", open);
  }
  return node;
}

function plus(value, digits = 2) {
  return (value < 0 ? "−" : "+") + figure(Math.abs(value), digits);
}

function figure(value, digits = 2) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const shown = size !== 0 && size < 0.5 * 10 ** -digits ? size.toExponential(0).replace("e-", "e−") : size.toFixed(digits);
  return (value < 0 ? "−" : "") + shown;
}

function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function spread(values) {
  const middle = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - middle) ** 2;
  return Math.sqrt(sum / values.length);
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += a[k] * b[k];
  return sum;
}

function cosine(a, b) {
  return dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);
}
