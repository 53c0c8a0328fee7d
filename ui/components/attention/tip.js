// The small text beside the pointer.

class Tip {
  constructor(root) {
    this.root = root;
    this.node = root.querySelector(".tip");
  }

  show(event, what, value) {
    this.node.querySelector(".what").textContent = what;
    this.node.querySelector(".value").textContent = value;
    this.node.toggleAttribute("data-on", true);
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const left = Math.max(0, Math.min(x + 14, box.width - this.node.offsetWidth));
    const top = y - this.node.offsetHeight - 12;
    this.node.style.transform = `translate(${left}px, ${top < 0 ? y + 18 : top}px)`;
  }

  hide() {
    this.node.removeAttribute("data-on");
  }
}
