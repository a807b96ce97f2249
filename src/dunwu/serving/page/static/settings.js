// How to sample, kept in this browser; the API key only as long as the tab.

import { key, setKey } from "./api.js";
import { byId } from "./elements.js";

const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];
const NAME = "dunwu.settings";
const EMPTY = { system: "", thinking: true };

let settings = read();

function read() {
  try {
    return { ...EMPTY, ...JSON.parse(localStorage.getItem(NAME)) };
  } catch {
    return { ...EMPTY };
  }
}

// The fields of a request that are set.
export function sampling() {
  const fields = NUMBERS.filter((name) => Number.isFinite(settings[name])).map((name) => [name, settings[name]]);
  return { ...Object.fromEntries(fields), ...(settings.thinking ? {} : { thinking: { type: "disabled" } }) };
}

export const systemPrompt = () => settings.system;

function fill() {
  byId("system").value = settings.system;
  byId("thinking").checked = settings.thinking;
  byId("key").value = key();
  for (const name of NUMBERS) byId(name).value = settings[name] ?? "";
}

function keep() {
  const found = { system: byId("system").value, thinking: byId("thinking").checked };
  for (const name of NUMBERS) {
    const field = byId(name), sound = field.checkValidity();
    field.setAttribute("aria-invalid", String(!sound));
    if (sound && field.value !== "") found[name] = Number(field.value);
  }
  settings = found;
  localStorage.setItem(NAME, JSON.stringify(settings));
  setKey(byId("key").value.trim());
}

// `closed` is called when the dialog has been left.
export function setUpSettings(closed) {
  const dialog = byId("settings");
  dialog.addEventListener("input", keep);
  dialog.addEventListener("close", closed);
  byId("open-settings").addEventListener("click", () => openSettings());
  byId("close-settings").addEventListener("click", () => dialog.close());
  byId("reset").addEventListener("click", () => {
    settings = { ...EMPTY };
    fill();
    keep();
  });
}

export function openSettings(field = "") {
  fill();
  if (!byId("settings").open) byId("settings").showModal();
  if (field) byId(field).focus();
}
