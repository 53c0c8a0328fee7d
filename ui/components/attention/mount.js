// The view inside Streamlit: data comes as bytes, the user's choices go back as the state "head".

const mounted = new WeakMap();

export default function render({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".attention");
  if (!root || !data) return undefined;
  let view = mounted.get(root);
  if (!view) {
    view = create(root, data, { tell: (look) => setStateValue("head", look) });
    mounted.set(root, view);
  } else {
    view.options.tell = (look) => setStateValue("head", look);
    view.receive(data);
  }
  return () => view.close();
}
