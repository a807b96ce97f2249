// The server: its models, and answers as they are written.

import { say } from "./words.js";

const KEY = "dunwu.key";

export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export const key = () => sessionStorage.getItem(KEY) ?? "";

export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

function headers() {
  return { "Content-Type": "application/json", ...(key() ? { Authorization: `Bearer ${key()}` } : {}) };
}

// The response; raises a Failure that can be shown.
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(say("lost"));
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  if (response.status === 401) throw new Failure(say("need_key"), 401);
  throw new Failure(String(body?.error?.message ?? say("refused", { status: response.status })).slice(0, 600), response.status);
}

// Names of the models; another name of one of them is left out.
export async function models() {
  const found = (await (await request("v1/models")).json()).data ?? [];
  const names = new Set(found.map((model) => model.id));
  return found.filter((model) => !(model.root && model.root !== model.id && names.has(model.root))).map((model) => model.id);
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      held += value;
      const found = held.split("\n");
      held = found.pop();
      yield* found;
    }
    yield held;
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Asks, and hands on each piece as it comes; returns how it ended and the tokens it took.
export async function complete(body, signal, take) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", { method: "POST", body: JSON.stringify(asked), signal });
  let finish = null, tokens = null, ended = false;
  for await (const line of lines(response.body)) {
    if (!line.startsWith("data:")) continue;
    const data = line.slice(5).trim();
    if (data === "[DONE]") {
      ended = true;
      break;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Failure(String(chunk.error.message).slice(0, 600));
    const choice = chunk.choices?.[0];
    if (choice?.delta) take(choice.delta.reasoning_content ?? choice.delta.reasoning ?? "", choice.delta.content ?? "");
    finish = choice?.finish_reason ?? finish;
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  if (!ended) throw new Failure(say("broken"));
  return { finish, tokens };
}
