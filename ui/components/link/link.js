// Copies an address of this page. Where the browser gives no clipboard (plain http from another machine), a
// selected field and the old command do it; where that fails too, the field stays, to copy by hand.

const AGAIN_AFTER = 2500 // ms: until the button says its own words again

const held = new WeakMap()

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".link")
  if (!root || !data) return
  let own = held.get(root)
  if (!own) {
    own = build(root)
    held.set(root, own)
  }
  own.data = data
  if (own.button.dataset.done === undefined) own.button.textContent = data.label
}

function build(root) {
  const button = document.createElement("button")
  button.type = "button"
  const said = document.createElement("span")
  said.className = "said"
  said.setAttribute("aria-live", "polite")
  root.append(button, said)
  const own = { button, data: null }
  button.addEventListener("click", async () => {
    const address = `${location.origin}${location.pathname}?${own.data.query}`
    root.querySelector("input")?.remove()
    const done = await copied(address, root)
    said.textContent = done ? "" : "Copy it from here:"
    if (!done) return
    button.dataset.done = ""
    button.textContent = "Copied"
    said.textContent = "The link is in the clipboard."
    setTimeout(() => {
      delete button.dataset.done
      button.textContent = own.data.label
      said.textContent = ""
    }, AGAIN_AFTER)
  })
  return own
}

async function copied(text, root) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement("input")
    field.readOnly = true
    field.value = text
    field.setAttribute("aria-label", "The link")
    root.append(field)
    field.select()
    const done = document.execCommand("copy")
    if (done) field.remove()
    return done
  }
}
