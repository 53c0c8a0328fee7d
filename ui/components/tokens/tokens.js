// Tokens to choose one of. Everything a user wrote goes through textContent. The nodes are kept while the tokens
// stay the same, so that the one under the pointer or in focus is not taken away.

const held = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".row")
  if (!root || !data) return
  let own = held.get(root)
  if (!own) {
    own = { tell: null, sign: "" }
    held.set(root, own)
    root.addEventListener("click", (event) => pick(root, own, event.target.closest(".token")))
    root.addEventListener("keydown", (event) => step(root, own, event))
  }
  own.tell = setTriggerValue
  root.setAttribute("aria-label", data.label)
  root.style.maxHeight = `${data.height}px`
  const sign = JSON.stringify([data.tokens, data.fixed])
  if (sign !== own.sign) {
    own.sign = sign
    own.chosen = -1
    root.replaceChildren(...data.tokens.map((token, k) => node(token, k, data.fixed[k])))
    root.dir = direction(data.tokens.filter((_, k) => !data.fixed[k]).join(" "))
  }
  const marked = new Set(data.marked)
  Array.from(root.children).forEach((each, k) => each.toggleAttribute("data-marked", marked.has(k)))
  show(root, own, data.chosen)
}

// That of the first letter, as a browser would tell it of the text itself.
function direction(text) {
  const letter = text.match(/\p{L}/u)?.[0] ?? ""
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/.test(letter) ? "rtl" : "ltr"
}

function node(token, k, fixed) {
  const button = document.createElement("button")
  button.type = "button"
  button.className = "token"
  button.dataset.at = k
  button.disabled = fixed
  button.tabIndex = -1
  button.setAttribute("role", "radio")
  const word = document.createElement("bdi")
  word.textContent = token
  button.append(word)
  button.setAttribute("aria-label", `Token ${k + 1}: ${token}`)
  return button
}

function show(root, own, chosen) {
  own.chosen = chosen
  const free = Array.from(root.children).filter((each) => !each.disabled)
  const way = free.find((each) => Number(each.dataset.at) === chosen) ?? free[0]
  for (const each of free) {
    each.setAttribute("aria-checked", String(Number(each.dataset.at) === chosen))
    each.tabIndex = each === way ? 0 : -1
  }
}

function pick(root, own, button) {
  if (!button || button.disabled || Number(button.dataset.at) === own.chosen) return
  show(root, own, Number(button.dataset.at))
  own.tell("token", own.chosen)
}

function step(root, own, event) {
  const on = root.dir === "rtl" ? -1 : 1
  const by = { ArrowRight: on, ArrowDown: 1, ArrowLeft: -on, ArrowUp: -1 }[event.key]
  if (!by) return
  const free = Array.from(root.children).filter((each) => !each.disabled)
  const next = free[free.indexOf(event.target.closest(".token")) + by]
  event.preventDefault()
  if (!next) return
  next.focus()
  for (const each of free) each.tabIndex = each === next ? 0 : -1 // Enter or Space chooses: a step asks the model nothing
}
