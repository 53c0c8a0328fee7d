// Colour and number: how a weight becomes a shade, a width and a figure. Knows nothing of heads or tokens.

// The page's colours, read from the theme's CSS variables so that light and dark need no switch.
// The same object comes back while nothing changed.
function readTheme(root, known) {
  const style = getComputedStyle(root);
  const names = ["--st-background-color", "--st-chart-sequential-colors", "--st-primary-color", "--st-text-color"];
  const sign = names.map((name) => style.getPropertyValue(name)).join("|");
  if (known?.sign === sign) return known;
  const color = (name, fallback) => parseColor(style.getPropertyValue(name).trim() || fallback);
  const background = color("--st-background-color", "#ffffff");
  const stops = style.getPropertyValue("--st-chart-sequential-colors").split(/,(?![^(]*\))/).map(parseColor);
  const text = (name) => style.getPropertyValue(name).trim();
  return {
    sign,
    background,
    dark: luminance(background) < 0.35,
    ramp: makeRamp(stops, background),
    font: style.fontFamily,
    ink: text("--st-text-color") || "#222222",
    accent: text("--st-primary-color") || "#0b6a88",
  };
}

// The palette of lines, heads and signs that comes with the map, beside the page's own colours.
function withPalette(theme, { inks, hues, diverging }) {
  const stops = diverging.map(parseColor);
  return Object.assign(theme, {
    inks,
    hues: hues.map(parseColor),
    diverge: spread(stops),
    signs: [css(stops.at(1)), css(stops.at(-2))], // less, more
  });
}

// Any CSS colour to [r, g, b] 0..255, by asking the browser.
function parseColor(text) {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#ffffff";
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return Array.from(context.getImageData(0, 0, 1, 1).data.slice(0, 3));
}

function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map(toLinear);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}

// 256 shades between the theme's sequential colours, the one nearest to the background first.
function makeRamp(stops, background) {
  const far = (color) => Math.abs(luminance(color) - luminance(background));
  return spread(far(stops[0]) <= far(stops.at(-1)) ? stops : [...stops].reverse());
}

// 256 shades evenly through the given ones.
function spread(order) {
  return Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (order.length - 1);
    const [low, high] = [order[Math.floor(at)], order[Math.ceil(at)]];
    return low.map((channel, c) => Math.round(channel + (high[c] - channel) * (at % 1)));
  });
}

function toLinear(byte) {
  const c = byte / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}

function css([r, g, b], alpha = 1) {
  return `rgb(${r} ${g} ${b} / ${alpha})`;
}

// The weight that gets the full shade: the largest one there is, in a tidy figure, but never below 0.2 (of a
// difference: 0.05), so that an even head looks even.
function scaleTop(planes, signed = false) {
  let top = 0;
  for (const plane of planes) for (const weight of plane) if (Math.abs(weight) > top) top = Math.abs(weight);
  const [step, least] = signed ? [20, 0.05] : [10, 0.2];
  return Math.max(least, Math.ceil(top * step - 1e-4) / step);
}

// Weight to shade 0..255. The square root keeps small weights apart; the legend shows the same curve.
function shade(weight, top) {
  return Math.min(255, Math.round(255 * Math.sqrt(Math.max(0, weight) / top)));
}

// Difference to shade 0..255, 128 where there is none; by the root, like weights.
function signedShade(change, top) {
  return Math.round(128 + 127 * Math.sign(change) * Math.sqrt(Math.min(1, Math.abs(change) / top)));
}

function figure(weight) {
  return weight > 0 && weight < 0.0005 ? "<0.001" : weight.toFixed(3);
}

function signedFigure(change) {
  const size = Math.abs(change).toFixed(3);
  return size === "0.000" ? size : `${change > 0 ? "+" : "−"}${size}`;
}

function percent(share) {
  return share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`;
}

// A canvas of so many CSS pixels, sharp on this screen; returns its context, in CSS pixels, cleared.
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Bytes of shades to a small offscreen picture, one pixel a byte.
function picture(bytes, width, height, ramp) {
  return painted(width, height, (k) => ramp[bytes[k]]);
}

// An offscreen picture whose pixel k has the colour [r, g, b] that `color(k)` says.
function painted(width, height, color) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const { data } = image;
  for (let k = 0; k < width * height; k += 1) {
    const [r, g, b] = color(k);
    data[4 * k] = r;
    data[4 * k + 1] = g;
    data[4 * k + 2] = b;
    data[4 * k + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function mix([r, g, b], [x, y, z], share) {
  return [r + (x - r) * share, g + (y - g) * share, b + (z - b) * share];
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
