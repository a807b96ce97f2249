// Answers as HTML. The server makes it of Markdown, with all HTML of the model escaped; the page's policy allows no other.

import { request } from "./api.js";

const SHORTEST_PAUSE = 150;
const policy = globalThis.trustedTypes?.createPolicy("dunwu", { createHTML: (html) => html }) ?? { createHTML: (html) => html };

async function html(text) {
  const response = await request("page/render", { method: "POST", body: JSON.stringify({ text: text.toWellFormed?.() ?? text }) });
  return policy.createHTML((await response.json()).html);
}

// Keeps an element up to date with a growing text: one request at a time, with pauses as long as the server takes.
export class Rendering {
  #element;
  #text = "";
  #shown = null;
  #working = null;
  #plain = false;

  constructor(element) {
    this.#element = element;
  }

  // Resolves once this text, or a later one, is shown.
  update(text) {
    this.#text = text;
    this.#working ??= this.#work().finally(() => { this.#working = null; });
    return this.#working;
  }

  async #work() {
    while (this.#shown !== this.#text) {
      const text = this.#text, began = performance.now();
      await this.#show(text);
      this.#shown = text;
      if (this.#shown !== this.#text) await new Promise((resolve) => setTimeout(resolve, Math.max(SHORTEST_PAUSE, performance.now() - began)));
    }
  }

  // A text that the server does not render is shown as it is.
  async #show(text) {
    if (!this.#plain) {
      try {
        this.#element.innerHTML = await html(text);
        this.#element.classList.remove("plain");
        return;
      } catch (error) {
        this.#plain = error.status === 413;
      }
    }
    this.#element.textContent = text;
    this.#element.classList.add("plain");
  }
}
