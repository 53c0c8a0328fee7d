// Which part of a matrix is in sight; several matrices may share one. Knows fractions, not pixels.

const MOST_ZOOM = 64;

class Zoom {
  constructor(flat = false) {
    this.flat = flat; // only columns are stretched: for few rows and many columns
    this.users = new Set(); // functions that draw anew
    this.reset();
  }

  reset() {
    this.factor = 1;
    this.x = 0; // the left and upper edge, as shares of the whole
    this.y = 0;
  }

  get vertical() {
    return this.flat ? 1 : this.factor;
  }

  changed() {
    const clamp = (value, factor) => Math.min(1 - 1 / factor, Math.max(0, value));
    this.x = clamp(this.x, this.factor);
    this.y = clamp(this.y, this.vertical);
    for (const draw of this.users) draw();
  }

  // By a factor, with the point at shares (u, v) of what is in sight staying where it is.
  by(factor, u = 0.5, v = 0.5) {
    const before = [this.factor, this.vertical];
    this.factor = Math.min(MOST_ZOOM, Math.max(1, this.factor * factor));
    this.x += u / before[0] - u / this.factor;
    this.y += v / before[1] - v / this.vertical;
    this.changed();
  }

  // By shares of what is in sight.
  pan(du, dv) {
    this.x += du / this.factor;
    this.y += dv / this.vertical;
    this.changed();
  }

  whole() {
    this.reset();
    this.changed();
  }
}

// Wheel with Ctrl (or a pinch), dragging, keys and buttons. `frame()` gives the box of the cells in CSS pixels of
// the canvas: { left, top, width, height }. Returns whether the last press was a drag, to be asked at a click.
function zoomable(canvas, buttons, zoom, frame) {
  const share = (event) => {
    const box = canvas.getBoundingClientRect();
    const { left, top, width, height } = frame();
    return [(event.clientX - box.left - left) / width, (event.clientY - box.top - top) / height];
  };
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!(event.ctrlKey || event.metaKey)) return; // the wheel alone scrolls the page
      event.preventDefault();
      zoom.by(Math.exp(-event.deltaY * 0.004), ...share(event));
    },
    { passive: false },
  );
  let press = null;
  let dragged = false;
  canvas.addEventListener("pointerdown", (event) => {
    dragged = false;
    press = zoom.factor > 1 && event.button === 0 ? [event.clientX, event.clientY] : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!press) return;
    const [dx, dy] = [event.clientX - press[0], event.clientY - press[1]];
    if (!dragged && Math.hypot(dx, dy) < 4) return;
    if (!dragged) canvas.setPointerCapture(event.pointerId);
    dragged = true;
    press = [event.clientX, event.clientY];
    zoom.pan(-dx / frame().width, -dy / frame().height);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      press = null;
    });
  }
  canvas.addEventListener("keydown", (event) => {
    const act = {
      "+": () => zoom.by(1.5),
      "=": () => zoom.by(1.5),
      "-": () => zoom.by(1 / 1.5),
      0: () => zoom.whole(),
      ArrowLeft: () => zoom.pan(-0.2, 0),
      ArrowRight: () => zoom.pan(0.2, 0),
      ArrowUp: () => zoom.pan(0, -0.2),
      ArrowDown: () => zoom.pan(0, 0.2),
    }[event.key];
    const idle = zoom.factor === 1 && event.key.startsWith("Arrow"); // nothing to move: the page may scroll
    if (!act || idle || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  const act = { in: () => zoom.by(1.6), out: () => zoom.by(1 / 1.6), whole: () => zoom.whole() };
  buttons?.addEventListener("click", (event) => act[event.target.closest("button")?.dataset.zoom]?.());
  return () => dragged;
}
