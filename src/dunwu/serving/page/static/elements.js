// Small helpers for the document.

export const byId = (id) => document.getElementById(id);

// An element with attributes, properties that begin with "on", and children; texts become text nodes.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// A text of ours that follows the language.
export function words(tag, key, attributes = {}) {
  return make(tag, { "data-say": key, ...attributes });
}

export function iconButton(name, key, onclick, attributes = {}) {
  const button = make("button", { type: "button", class: "icon", "data-label": key, onclick, ...attributes });
  button.append(icon(name));
  return button;
}

export function announce(text) {
  byId("status").textContent = text;
}

export function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

// Asks in a dialog; true if the answer is yes.
export function confirmed(text) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = text;
  return new Promise((resolve) => {
    byId("confirm-yes").onclick = () => dialog.close("yes");
    byId("confirm-no").onclick = () => dialog.close("no");
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "no";
    dialog.showModal();
  });
}

// Grows a text area with its text.
export function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
