// Small pieces that all drawings share. Whatever a user wrote goes through textContent.

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function button(className, text, name, act) {
  const node = element("button", className, text);
  node.type = "button";
  if (name) node.setAttribute("aria-label", name);
  node.addEventListener("click", act);
  return node;
}

function named(className, text) {
  const node = element("span", className, text);
  node.dir = "auto";
  return node;
}

function dot(color) {
  const node = element("span", "dot");
  node.style.background = color;
  node.setAttribute("aria-hidden", "true");
  return node;
}

function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}

function percentWords(share) {
  const whole = Math.round(100 * share);
  if (whole >= 100 && share < 1) return "> 99 %";
  if (whole <= 0 && share > 0) return "< 1 %";
  return `${whole} %`;
}

function durationWords(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `about ${minutes} min`;
  if (minutes < 48 * 60) {
    const rest = minutes >= 600 ? 0 : 5 * Math.round((minutes % 60) / 5);
    const hours = Math.floor(minutes / 60) + (rest === 60 ? 1 : 0);
    return `about ${hours} h${rest && rest < 60 ? ` ${rest} min` : ""}`;
  }
  return `about ${Math.round(minutes / 1440)} days`;
}

// How well a name fits what was typed: 0 begins so, 1 a word in it does, 2 its initials, 3 inside, 4 letters in order.
function fit(name, typed) {
  const words = name.split(/[\s_\-/.,:;]+/).filter(Boolean);
  if (name.startsWith(typed)) return 0;
  if (words.some((word) => word.startsWith(typed))) return 1;
  if (words.map((word) => word[0]).join("").startsWith(typed)) return 2;
  if (name.includes(typed)) return 3;
  let at = 0;
  for (const letter of name) if (letter === typed[at]) at += 1;
  return at === typed.length ? 4 : Infinity;
}

function ranked(labels, typed) {
  const wanted = typed.trim().toLocaleLowerCase();
  if (!wanted) return labels;
  return labels
    .map((label, at) => ({ label, at, fits: fit(label.name.toLocaleLowerCase(), wanted) }))
    .filter(({ fits }) => fits < Infinity)
    .sort((one, other) => one.fits - other.fits || one.at - other.at)
    .map(({ label }) => label);
}
