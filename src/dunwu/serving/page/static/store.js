// Conversations in this browser, each under a name of its own, so that two tabs do not overwrite each other's.

const PREFIX = "dunwu.chat.";

export function create() {
  const now = Date.now();
  return { id: `${now.toString(36)}-${Math.random().toString(36).slice(2, 8)}`, title: "", made: now, changed: now, turns: [] };
}

const isText = (value) => typeof value === "string";

function soundAnswer(answer) {
  return isText(answer?.model) && isText(answer.reasoning) && isText(answer.content);
}

function sound(found) {
  const turns = Array.isArray(found?.turns) && found.turns.every((turn) => isText(turn?.question) && Array.isArray(turn.answers) && turn.answers.every(soundAnswer));
  return turns && isText(found.id) && isText(found.title) && Number.isFinite(found.changed);
}

// The conversation, or null if there is none that can be read.
export function load(id) {
  try {
    const found = JSON.parse(localStorage.getItem(PREFIX + id));
    return sound(found) ? found : null;
  } catch {
    return null;
  }
}

// False if there is no room.
export function save(conversation) {
  try {
    localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

export function remove(id) {
  localStorage.removeItem(PREFIX + id);
}

// All conversations, the newest first.
export function all() {
  const ids = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  return ids.map(load).filter(Boolean).sort((one, other) => other.changed - one.changed);
}

export function asMarkdown(conversation) {
  const turns = conversation.turns.flatMap((turn) => [
    `## ${turn.question.split("\n")[0].slice(0, 80)}`, turn.question,
    ...turn.answers.flatMap((answer) => [`### ${answer.model}`, quoted(answer.reasoning), answer.content || answer.error || ""]),
  ]);
  return [`# ${conversation.title}`, ...turns].filter(Boolean).join("\n\n") + "\n";
}

function quoted(text) {
  return text && text.split("\n").map((line) => `> ${line}`).join("\n");
}

export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
