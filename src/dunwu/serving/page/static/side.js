// The list of conversations: open, rename, delete, save as a file.

import { byId, confirmed, iconButton, make } from "./elements.js";
import { all, asMarkdown, download, remove } from "./store.js";
import { say, writeWords } from "./words.js";

// `chat` has current(), open(id), and fresh().
export function drawList(chat) {
  const found = all(), list = byId("list");
  list.replaceChildren(...found.map((each) => item(each, chat)));
  byId("none").hidden = found.length > 0;
  for (const id of ["as-markdown", "as-json"]) byId(id).disabled = chat.current().turns.length === 0;
  writeWords();
}

function item(conversation, chat) {
  const current = conversation.id === chat.current().id;
  const title = conversation.title || say("untitled");
  const open = () => { closeSide(); chat.open(conversation.id); };
  const button = make("button", { type: "button", class: "title", title, onclick: open, "aria-current": current ? "true" : null }, title);
  const element = make("li", { class: current ? "current" : null, translate: "no" }, button,
    iconButton("edit", "rename", () => element.replaceWith(renaming(conversation, chat))),
    iconButton("delete", "delete", () => drop(conversation, chat)));
  return element;
}

function renaming(conversation, chat) {
  const field = make("input", { "data-label": "rename", maxlength: "80" });
  let over = false;
  const end = (keep) => {
    if (over) return;
    over = true;
    if (keep && field.value.trim()) chat.rename(conversation.id, field.value.trim());
    drawList(chat);
  };
  field.value = conversation.title;
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && !event.isComposing) end(true);
    if (event.key === "Escape") end(false);
  });
  field.addEventListener("blur", () => end(true));
  queueMicrotask(() => { writeWords(); field.select(); });
  return make("li", {}, field);
}

async function drop(conversation, chat) {
  if (!(await confirmed(say("delete_it", { title: conversation.title })))) return;
  chat.forget(conversation.id);
  remove(conversation.id);
  if (conversation.id === chat.current().id) chat.fresh();
  drawList(chat);
}

export function setUpSide(chat) {
  const fileName = () => (chat.current().title || "conversation").replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40);
  byId("new").addEventListener("click", () => { closeSide(); chat.fresh(); byId("question").focus(); });
  byId("as-json").addEventListener("click", () => download(`${fileName()}.json`, "application/json", JSON.stringify(chat.current(), null, 2)));
  byId("as-markdown").addEventListener("click", () => download(`${fileName()}.md`, "text/markdown", asMarkdown(chat.current())));
  byId("menu").addEventListener("click", () => toggleSide());
  byId("shade").addEventListener("click", closeSide);
  addEventListener("storage", (event) => event.key?.startsWith("dunwu.chat.") && drawList(chat));
  byId("menu").setAttribute("aria-expanded", String(!narrow()));
}

const narrow = () => matchMedia("(max-width: 52rem)").matches;

function toggleSide() {
  const name = narrow() ? "side-open" : "side-closed";
  const on = document.body.classList.toggle(name);
  const shown = narrow() ? on : !on;
  byId("shade").hidden = !(narrow() && shown);
  byId("menu").setAttribute("aria-expanded", String(shown));
  if (narrow() && shown) byId("new").focus();
}

// True if it was open over the page.
export function closeSide() {
  if (!document.body.classList.contains("side-open")) return false;
  toggleSide();
  byId("menu").focus();
  return true;
}
