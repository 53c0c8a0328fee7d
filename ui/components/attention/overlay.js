// Several heads at once: which, and in which colour. The view's selection is always one of them.

const MOST_HEADS = 8; // as many as there are colours that can be told apart

class Overlay {
  constructor(view) {
    this.view = view;
    this.on = false; // clicks take heads in and out instead of choosing one
    this.others = []; // [layer, head] laid over the selected one
    this.slots = new Map(); // "layer:head" to the number of its colour
  }

  get acts() {
    return this.on && this.view.mode === "head" && this.view.map.base === null;
  }

  // All heads on show, the selected one first.
  all() {
    const { selection } = this.view;
    if (!this.acts) return [selection];
    const places = this.others.map(([layer, head]) => ({ layer, head }));
    return [selection, ...places.filter((p) => p.layer !== selection.layer || p.head !== selection.head)];
  }

  turn(on) {
    this.on = on;
    if (!on) this.others = [];
  }

  adopt(heads) {
    this.others = heads.map(([layer, head]) => [layer, head]);
    this.on = this.on || heads.length > 0;
  }

  // Another model may have fewer heads.
  fit({ layers, heads }) {
    this.others = this.others.filter(([layer, head]) => layer < layers && head < heads);
  }

  // Returns whether there was a place for it: one head always stays, and colours are few.
  toggle(place) {
    const all = this.all();
    const at = all.findIndex(({ layer, head }) => layer === place.layer && head === place.head);
    if (at < 0 ? all.length === MOST_HEADS : all.length === 1) return false;
    this.on = true;
    const [first, ...rest] = at < 0 ? [place, ...all] : all.filter((_, k) => k !== at);
    this.view.selection = { layer: first.layer, head: first.head };
    this.others = rest.map(({ layer, head }) => [layer, head]);
    return true;
  }

  // A head's colour [r, g, b], the same until it leaves; null for a head that is not on show.
  color({ layer, head }) {
    const keys = this.all().map((p) => `${p.layer}:${p.head}`);
    for (const key of this.slots.keys()) if (!keys.includes(key)) this.slots.delete(key);
    for (const key of keys) {
      if (this.slots.has(key)) continue;
      const used = new Set(this.slots.values());
      let slot = 0;
      while (used.has(slot)) slot += 1;
      this.slots.set(key, slot);
    }
    const slot = this.slots.get(`${layer}:${head}`);
    return slot === undefined ? null : this.view.theme.hues[slot];
  }
}
