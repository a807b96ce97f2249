// The turns of a conversation on the page: a question, and one or two answers side by side.

import { announce, byId, fit, iconButton, make, words } from "./elements.js";
import { Rendering } from "./render.js";
import { label, say } from "./words.js";

const views = new WeakMap();
// When each answer that is being written was asked for.
export const began = new WeakMap();

export const viewOf = (answer) => views.get(answer);
export const secondsSince = (time) => (performance.now() - time) / 1000;

const inSeconds = (seconds) => (seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds)));

let atEnd = true;

export function watchScrolling() {
  const main = byId("main");
  main.addEventListener("scroll", () => { atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80; }, { passive: true });
}

export function toEnd(always = false) {
  const main = byId("main");
  if (always || atEnd) main.scrollTop = main.scrollHeight;
}

class AnswerView {
  #answer;
  #rendering;
  #frame = 0;
  #timer = 0;
  #touched = false;
  #text = document.createTextNode("");

  constructor(answer) {
    this.#answer = answer;
    this.summary = make("summary", { onclick: () => { this.#touched = true; } });
    this.thoughts = make("div", { class: "thoughts", tabindex: "0", role: "group", "data-label": "thoughts" }, this.#text);
    this.details = make("details", { class: "thought", hidden: true }, this.summary, this.thoughts);
    this.content = make("div", { class: "content" });
    this.note = make("p", { class: "note", hidden: true });
    this.copy = iconButton("copy", "copy", () => this.#copy());
    this.size = make("span", { class: "soft small" });
    this.tools = make("div", { class: "tools" }, navigator.clipboard ? this.copy : null, this.size);
    const name = make("h3", { class: "name", translate: "no" }, answer.model);
    this.element = make("article", { class: "answer" }, name, this.details, this.content, this.note, this.tools);
    this.#rendering = new Rendering(this.content);
    views.set(answer, this);
    this.update();
  }

  // Shows what is new, at most once a frame.
  later() {
    this.#frame ||= requestAnimationFrame(() => this.update());
  }

  update() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const answer = this.#answer, writing = began.has(answer);
    this.element.setAttribute("aria-busy", String(writing));
    this.#showThoughts(answer, writing);
    if (answer.content) this.#rendering.update(answer.content).then(() => toEnd());
    this.note.textContent = writing ? "" : noteOf(answer);
    this.note.hidden = !this.note.textContent;
    this.note.classList.toggle("bad", answer.finish === "error");
    this.copy.hidden = !answer.content;
    this.size.textContent = answer.tokens ? say("tokens", { count: answer.tokens }) : "";
    this.tools.hidden = writing || this.copy.hidden && !answer.tokens;
    toEnd();
  }

  // Tells a reader that cannot see the page.
  async tell() {
    await this.#rendering.update(this.#answer.content);
    announce(this.#answer.content ? say("ready", { text: this.content.innerText.slice(0, 2000) }) : noteOf(this.#answer));
  }

  #showThoughts(answer, writing) {
    const thinking = writing && !answer.content;
    if (answer.reasoning.startsWith(this.#text.data)) this.#text.appendData(answer.reasoning.slice(this.#text.length));
    else this.#text.data = answer.reasoning;
    this.details.hidden = !thinking && !answer.reasoning;
    this.details.classList.toggle("live", thinking);
    if (!this.#touched) this.details.open = thinking && answer.reasoning !== "";
    this.thoughts.scrollTop = thinking ? this.thoughts.scrollHeight : this.thoughts.scrollTop;
    this.#showTime();
    if (thinking) this.#timer ||= setInterval(() => this.#showTime(), 500);
    else this.#timer = clearInterval(this.#timer) ?? 0;
  }

  #showTime() {
    const answer = this.#answer;
    if (answer.thought !== null) this.summary.textContent = say("thought", { seconds: inSeconds(answer.thought) });
    else if (answer.reasoning) this.summary.textContent = say("thinking", { seconds: Math.floor(secondsSince(began.get(answer))) });
    else this.summary.textContent = say("waiting");
  }

  async #copy() {
    await navigator.clipboard.writeText(this.#answer.content);
    announce(say("copied"));
    label(this.copy, say("copied"));
    setTimeout(() => label(this.copy, say("copy")), 1500);
  }
}

export function noteOf(answer) {
  if (answer.finish === "error") return answer.error;
  const how = { stopped: "stopped", length: "length", insufficient_system_resource: "cut" }[answer.finish ?? "stopped"];
  const left = answer.content ? "" : say("left_out");
  return [how ? say(how) : answer.content ? "" : say("no_answer"), left].filter(Boolean).join(say("gap"));
}

// `actions`: edit(question) and again(), which ask anew from this turn on.
export function turnElement(turn, last, actions) {
  const text = make("p", { class: "asked-text" }, turn.question);
  const edit = iconButton("edit", "edit", () => question.replaceWith(editor(turn.question, actions.edit, () => question)));
  const question = make("div", { class: "asked" }, words("h2", "you", { class: "hidden-text" }), text, make("div", { class: "tools" }, edit));
  const found = turn.answers.map((answer) => new AnswerView(answer));
  const answers = make("div", { class: found.length > 1 ? "answers two" : "answers" }, ...found.map((view) => view.element));
  const again = last ? make("div", { class: "again" }, iconButton("again", "again", actions.again)) : null;
  if (again && found.length === 1) found[0].element.append(again);
  return make("section", { class: "turn" }, question, answers, found.length > 1 ? again : null);
}

function editor(question, ask, back) {
  const area = make("textarea", { "data-label": "edit", rows: "2", oninput: () => fit(area) });
  const cancel = () => element.replaceWith(back());
  const send = () => area.value.trim() && ask(area.value.trim());
  area.value = question;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
  });
  const buttons = [make("button", { type: "button", class: "quiet", onclick: cancel }, say("cancel")), make("button", { type: "button", class: "main", onclick: send }, say("ask_again"))];
  const element = make("div", { class: "asked editing" }, area, make("div", { class: "buttons" }, words("span", "edit_more", { class: "soft small" }), ...buttons));
  element.querySelector("span").textContent = say("edit_more");
  label(area, say("edit"));
  queueMicrotask(() => { area.focus(); fit(area); });
  return element;
}
