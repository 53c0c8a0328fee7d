// Draws texts to the letter. Everything a user wrote goes through textContent.

function element(tag, className, text) {
  const node = document.createElement(tag)
  node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

function block(item, maxHeight) {
  const node = element("div", "block", item.text)
  node.dir = "auto"
  if (maxHeight) {
    node.style.maxHeight = `${maxHeight}px`
    node.tabIndex = 0
    node.setAttribute("role", "region")
    node.setAttribute("aria-label", item.title || "Text")
  }
  return item.title ? titled(item.title, node) : node
}

function titled(title, node) {
  const both = element("div", "titled")
  const name = element("div", "title", title)
  name.dir = "auto"
  both.append(name, node)
  return both
}

function chip(item) {
  const node = element("span", "chip")
  node.title = item.text
  const dot = element("span", "dot")
  dot.style.background = item.color
  dot.setAttribute("aria-hidden", "true")
  const name = element("span", "name", item.text)
  name.dir = "auto"
  node.append(dot, name)
  if (item.note) node.append(element("span", "note", item.note))
  return node
}

function token(item) {
  const node = element("span", "token", item.text)
  node.dir = "auto"
  return node
}

const KINDS = { chips: chip, tokens: token }

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  if (!root || !data) return
  const draw = KINDS[data.kind] || ((item) => block(item, data.max_height))
  root.classList.toggle("chips", data.kind in KINDS)
  root.style.maxHeight = data.kind === "tokens" && data.max_height ? `${data.max_height}px` : ""
  root.replaceChildren(...data.items.map(draw))
}
