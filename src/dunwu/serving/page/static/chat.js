// The chat page: which conversation is open, and asking the server.

import { complete, models, Failure } from "./api.js";
import { announce, byId, fit, make, notice } from "./elements.js";
import { openSettings, sampling, setUpSettings, systemPrompt } from "./settings.js";
import { closeSide, drawList, setUpSide } from "./side.js";
import { create, load, save } from "./store.js";
import { began, secondsSince, toEnd, turnElement, viewOf, watchScrolling } from "./turns.js";
import { label, say, switchLanguage, writeWords } from "./words.js";

const EXAMPLES = ["Use 9,3,10 to make 17.", "Use 4,7,8 to make 60.", "Use 25,6,3 to make 7."];
const THEMES = ["auto", "light", "dark"];
const SAVE_EVERY = 2000;

// Conversations with answers that are being written, by their ids.
const running = new Map();
let current = create();
let served = [];

const chat = {
  current: () => current,
  open(id) {
    const found = running.get(id)?.conversation ?? load(id);
    if (found) show(found);
  },
  fresh: () => show(create()),
  forget: (id) => { running.get(id)?.controller.abort(); running.delete(id); },
  rename(id, title) {
    const found = id === current.id ? current : running.get(id)?.conversation ?? load(id);
    if (found) keep(Object.assign(found, { title }));
  },
};

function show(conversation) {
  current = conversation;
  history.replaceState(null, "", conversation.turns.length ? `#${conversation.id}` : location.pathname + location.search);
  draw();
  toEnd(true);
}

function draw() {
  const last = current.turns.length - 1;
  const elements = current.turns.map((turn, at) => turnElement(turn, at === last, {
    edit: (question) => ask(question, at),
    again: () => ask(turn.question, at),
  }));
  byId("turns").replaceChildren(...elements);
  byId("welcome").hidden = last >= 0;
  drawState();
  drawList(chat);
}

// What depends on whether an answer is being written.
function drawState() {
  const writing = running.has(current.id), send = byId("send");
  send.querySelector("use").setAttribute("href", writing ? "#i-stop" : "#i-send");
  label(send, say(writing ? "stop" : "send"));
  byId("turns").classList.toggle("writing", writing);
  for (const button of document.querySelectorAll(".asked .icon, .again .icon")) button.disabled = writing;
}

function keep(conversation) {
  if (!save(conversation)) notice(say("full"));
}

function chosen() {
  const names = [byId("model").value, ...(comparing() ? [byId("other").value] : [])].filter(Boolean);
  if (!names.length) notice(say("no_models"));
  else if (new Set(names).size < names.length) notice(say("same_models"));
  else return names;
  return null;
}

const comparing = () => byId("compare").getAttribute("aria-pressed") === "true";

// Asks a question as turn `at`: the turns from there on are replaced.
async function ask(question, at = current.turns.length) {
  const conversation = current;
  if (!served.length) await loadModels();
  const names = running.has(conversation.id) || !served.length ? null : chosen();
  if (!names) return false;
  notice("");
  const answers = names.map((model) => ({ model, reasoning: "", content: "", thought: null, finish: null, error: "", tokens: null }));
  conversation.turns.splice(at, Infinity, { question, answers });
  conversation.title ||= question.split("\n")[0].slice(0, 60);
  conversation.changed = Date.now();
  const controller = new AbortController();
  running.set(conversation.id, { conversation, controller });
  for (const answer of answers) began.set(answer, performance.now());
  keep(conversation);
  show(conversation);
  announce(say("waiting"));
  answerAll(conversation, at, controller);
  return true;
}

async function answerAll(conversation, at, controller) {
  const { answers } = conversation.turns[at];
  const saving = setInterval(() => running.has(conversation.id) && keep(conversation), SAVE_EVERY);
  await Promise.all(answers.map((answer, column) => write(answer, messages(conversation, at, column), controller.signal)));
  clearInterval(saving);
  if (!running.delete(conversation.id)) return; // it was deleted meanwhile
  keep(conversation);
  if (conversation !== current) return;
  drawState();
  for (const answer of answers) await viewOf(answer)?.tell();
}

// The conversation as one model had it; turns without an answer are left out.
function messages(conversation, at, column) {
  const found = systemPrompt().trim() ? [{ role: "system", content: systemPrompt() }] : [];
  for (const { question, answers } of conversation.turns.slice(0, at)) {
    const { content } = answers[column] ?? answers[0];
    if (content) found.push({ role: "user", content: question }, { role: "assistant", content });
  }
  return [...found, { role: "user", content: conversation.turns[at].question }];
}

async function write(answer, history, signal) {
  const asked = began.get(answer);
  const take = (reasoning, content) => {
    answer.reasoning += reasoning;
    answer.content += content;
    if (content && answer.reasoning) answer.thought ??= secondsSince(asked);
    viewOf(answer)?.later();
  };
  try {
    const { finish, tokens } = await complete({ model: answer.model, messages: history, ...sampling() }, signal, take);
    Object.assign(answer, { finish: finish ?? "stop", tokens });
  } catch (error) {
    if (error.name === "AbortError") answer.finish = "stopped";
    else fail(answer, error);
  }
  if (answer.reasoning) answer.thought ??= secondsSince(asked);
  began.delete(answer);
  viewOf(answer)?.update();
}

function fail(answer, error) {
  Object.assign(answer, { finish: "error", error: error instanceof Failure ? error.message : say("broken") });
  if (error.status === 401) openSettings("key");
}

function stop() {
  running.get(current.id)?.controller.abort();
}

async function loadModels() {
  try {
    served = await models();
    notice(served.length ? "" : say("no_models"));
  } catch (error) {
    served = [];
    notice(error.message);
    if (error.status === 401) openSettings("key");
  }
  const [first, second = first] = served;
  fill("model", first);
  fill("other", second);
  byId("compare").hidden = served.length < 2;
  setComparing(served.length > 1 && localStorage.getItem("dunwu.compare") === "true");
}

function fill(id, usual) {
  const wanted = localStorage.getItem(`dunwu.${id}`);
  byId(id).replaceChildren(...served.map((name) => make("option", { value: name, translate: "no" }, name)));
  byId(id).value = served.includes(wanted) ? wanted : usual ?? "";
}

function setComparing(on) {
  byId("compare").setAttribute("aria-pressed", String(on));
  byId("other").hidden = !on;
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("dunwu.theme", name);
  label(byId("theme"), say("theme", { name: say(`theme_${name}`) }));
}

async function send() {
  const field = byId("question"), question = field.value.trim();
  if (running.has(current.id)) return stop();
  if (!question || !(await ask(question))) return;
  field.value = "";
  fit(field);
}

function setUpKeys() {
  byId("question").addEventListener("keydown", (event) => {
    // Enter also ends the writing of Chinese characters.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!running.has(current.id)) send();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]") && !closeSide()) stop();
  });
}

function setUp() {
  setUpSide(chat);
  setUpSettings(() => served.length || loadModels());
  setUpKeys();
  watchScrolling();
  byId("send").addEventListener("click", send);
  byId("question").addEventListener("input", () => fit(byId("question")));
  byId("compare").addEventListener("click", () => {
    setComparing(!comparing());
    localStorage.setItem("dunwu.compare", String(comparing()));
  });
  for (const id of ["model", "other"]) byId(id).addEventListener("change", () => localStorage.setItem(`dunwu.${id}`, byId(id).value));
  byId("language").addEventListener("click", () => { switchLanguage(); draw(); setTheme(theme()); });
  byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]));
  byId("examples").append(...EXAMPLES.map((text) => make("li", {}, make("button", { type: "button", onclick: () => ask(text) }, text))));
  addEventListener("pagehide", () => running.forEach(({ conversation }) => save(conversation)));
  setTheme(theme());
  show((location.hash && load(location.hash.slice(1))) || create());
  loadModels();
  byId("question").focus();
}

const theme = () => (THEMES.includes(localStorage.getItem("dunwu.theme")) ? localStorage.getItem("dunwu.theme") : "auto");

setUp();
