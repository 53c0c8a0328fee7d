// Vectors as strips of colour, and one product as bars. Knows colours, canvases and numbers, and no tokens.

const STRIP_GAP = 12 // pixels between query, key and product
const BARS_HEIGHT = 132

// Blue below zero, orange above: 255 shades from the theme's diverging colours, zero in the middle.
function divergingRamp(root) {
  const stops = getComputedStyle(root)
    .getPropertyValue("--st-chart-diverging-colors")
    .split(/,(?![^(]*\))/)
    .map((each) => parseColor(each.trim()))
  return Array.from({ length: 255 }, (_, k) => {
    const at = (k / 254) * (stops.length - 1)
    const [low, high] = [stops[Math.floor(at)], stops[Math.ceil(at)]]
    return low.map((channel, c) => Math.round(channel + (high[c] - channel) * (at % 1)))
  })
}

function signedColor(ramp, value, top) {
  const share = Math.max(-1, Math.min(1, value / top))
  return css(ramp[Math.round(127 + 127 * Math.sign(share) * Math.sqrt(Math.abs(share)))]) // small ones stay apart
}

// The value that gets the full colour: nearly the largest there is, so that one outlier does not whiten all others.
function reach(values) {
  const sorted = Float32Array.from(values, Math.abs).sort()
  return sorted[Math.floor(0.995 * (sorted.length - 1))] || sorted[sorted.length - 1] || 1
}

// Where the three strips lie in a canvas of that width.
function stripPlaces(width) {
  const each = (width - 2 * STRIP_GAP) / 3
  return [0, 1, 2].map((k) => ({ left: k * (each + STRIP_GAP), width: each }))
}

function paintStrip(context, values, place, top, y, height, ramp, tall) {
  const cell = place.width / values.length
  for (let k = 0; k < values.length; k += 1) {
    context.fillStyle = signedColor(ramp, values[k], tall)
    context.fillRect(place.left + k * cell, y + top, Math.ceil(cell * 2) / 2, height - 2 * top)
  }
}

// A product's dimensions as bars about zero; `marked` stands out. Returns the top of its scale.
function paintBars(canvas, values, width, ramp, ink, marked) {
  const context = sized(canvas, width, BARS_HEIGHT)
  const most = Math.max(1e-9, ...values.map(Math.abs))
  const middle = BARS_HEIGHT / 2
  const cell = width / values.length
  values.forEach((value, k) => {
    const height = (Math.abs(value) / most) * (middle - 6)
    context.fillStyle = css(ramp[value < 0 ? 40 : 214])
    context.globalAlpha = marked === null || marked === k ? 1 : 0.45
    context.fillRect(k * cell + cell * 0.12, value < 0 ? middle : middle - height, cell * 0.76, Math.max(0.5, height))
  })
  context.globalAlpha = 0.5
  context.fillStyle = ink
  context.fillRect(0, middle - 0.5, width, 1)
  context.globalAlpha = 1
  return most
}

function signed(value) {
  return Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : "−∞"
}

// By which the sum of the products is divided, in words: the root of the dimensions in most families, nothing in T5.
function divided(scale) {
  return scale === 1 ? "" : `, divided by ${signed(1 / scale)}`
}
