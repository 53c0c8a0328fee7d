// What each key means. Listens to the whole window, so that no click is needed before the first key.

class Keys {
  constructor(desk) {
    this.desk = desk;
    this.listen = (event) => this.pressed(event);
    window.addEventListener("keydown", this.listen, true);
  }

  close() {
    window.removeEventListener("keydown", this.listen, true);
  }

  pressed(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const { root } = this.desk;
    const [target] = event.composedPath();
    if (!root.isConnected || elsewhere(target, root) || !this.meant(event, target)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  }

  // Does what the key says; false: it says nothing here.
  meant(event, target) {
    const { desk } = this;
    const { key, repeat: held } = event; // a key that is held down labels one text, not thirty
    const control = target.closest?.("button, a, input");
    const outside = control && !desk.root.contains(control);
    if (control && (key === "Enter" || key === " " || (outside && key.startsWith("Arrow")))) return false;
    if (desk.many && desk.list.key(event)) return true;
    const low = key.toLocaleLowerCase();
    const label = key.length === 1 ? desk.labels.byKey.get(low) : null;
    const acts = this.acts();
    const act = label ? () => desk.choose(label.id, low) : (acts[key] ?? acts[low]);
    if (act) {
      if (!held || key in ROLLING) act();
      return true;
    }
    if (!desk.labels.many || !/^\p{L}$/u.test(key)) return false;
    desk.labels.open(key);
    return true;
  }

  acts() {
    const { desk } = this;
    const { several } = desk.settings;
    return {
      Enter: () => (several ? desk.confirm("Enter") : desk.accept("Enter")),
      Backspace: () => desk.undo("Backspace"),
      u: () => desk.undo("u"),
      s: () => desk.skip("s"),
      f: () => desk.flag("f"),
      n: () => desk.controls.openNote(),
      ArrowLeft: () => desk.back(),
      ArrowRight: () => desk.forth(),
      "?": () => desk.controls.toggleHelp(),
      "/": () => desk.labels.open(""),
      Escape: () => desk.controls.shut(),
      " ": () => desk.view.down(),
      ...(several ? { 0: () => desk.none("0") } : {}),
    };
  }
}

const ROLLING = { ArrowLeft: 1, ArrowRight: 1, " ": 1 }; // keys that may be held down

// Whether a key belongs to something else: a field to type in, an open dialog or menu.
function elsewhere(target, root) {
  if (root.contains(target)) return target.matches?.("textarea, input");
  if (document.querySelector("[role=dialog], [role=listbox]")) return true; // ours is in a shadow root
  const field = "textarea, select, input:not([type=checkbox], [type=radio], [type=button]), [role=slider], [data-testid=stDataFrame] *";
  return target.isContentEditable || (target.matches?.(field) ?? false);
}
