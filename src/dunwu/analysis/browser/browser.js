"use strict";
// The browser of completions. What a model wrote is text nodes only, never markup, code or an address.
(() => {
  const data = JSON.parse(document.getElementById("completions").textContent);
  const {entries, problems, words} = data;
  const at = name => document.getElementById(`browse-${name}`);
  const fields = ["source", "step", "verdict", "reward-low", "reward-high", "tokens-low", "tokens-high", "text", "order"].map(at);
  const PAGE = 100, KEPT = `dunwu ${location.pathname}`, QUIET = 120_000;
  const MINUS = "\u2212", MARKS = {correct: "✓", wrong: "✗"};
  let found = [], pages = 1, current = null, only = null, colour = "logprob", used = 0;

  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  const word = name => Object.hasOwn(words, name) ? words[name] : name;
  const fixed = (value, digits = 2) => value.toFixed(digits).replace("-", MINUS);
  const signed = value => (value > 0 ? "+" : "") + fixed(value);
  const plain = value => fixed(value, 4).replace(/\.?0+$/, "");
  const sourceOf = entry => entry.source || words.training;
  const nameOf = entry => JSON.stringify([entry.source, entry.step, problems[entry.problem].id, entry.sample, entry.text.slice(0, 100)]);
  const mark = entry => MARKS[entry.verdict] ?? "–";

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function options(field, values, name = String) {
    const chosen = field.value, all = element("option", words.all);
    all.value = "";
    field.replaceChildren(all, ...values.map(value => {
      const option = element("option", name(value));
      option.value = `=${value}`;
      return option;
    }));
    field.value = chosen;
    if (field.selectedIndex < 0) field.value = "";
  }

  const different = of => [...new Set(entries.map(of))];

  function prepare() {
    options(at("source"), different(entry => entry.source), value => value || words.training);
    options(at("step"), different(entry => entry.step).sort((a, b) => a - b));
    options(at("verdict"), different(entry => entry.verdict), word);
        at("order").replaceChildren(...["step", "reward", "tokens"].flatMap(key => [["", "↓"], ["-", "↑"]].map(([sign, arrow]) => {
      const option = element("option", `${words[key]} ${arrow}`);
      option.value = sign + key;
      return option;
    })));
  }

  function filter() {
    const [source, step, verdict, rewardLow, rewardHigh, tokensLow, tokensHigh, text, order] = fields.map(field => field.value);
    const wanted = text.toLowerCase();
    const chosen = (value, field) => field === "" || `=${value}` === field;
    const within = (value, low, high) => (low === "" || (value !== undefined && value >= Number(low))) && (high === "" || (value !== undefined && value <= Number(high)));
    found = entries.filter(entry =>
      (only === null || entry.problem === only) && chosen(entry.source, source) && chosen(entry.step, step) && chosen(entry.verdict, verdict) &&
      within(entry.reward, rewardLow, rewardHigh) && within(entry.tokens, tokensLow, tokensHigh) &&
      (wanted === "" || entry.text.toLowerCase().includes(wanted) || problems[entry.problem].text.toLowerCase().includes(wanted)));
    const key = order.replace("-", ""), sign = order.startsWith("-") ? 1 : -1;
    found.sort((a, b) => sign * (Number(a[key] ?? -1e9) - Number(b[key] ?? -1e9)));
  }

  function list() {
    at("count").textContent = fill(words.count, {found: found.length.toLocaleString("en"), all: entries.length.toLocaleString("en")});
    const items = found.slice(0, PAGE * pages).map(entry => {
      const item = element("li"), button = element("button");
      button.type = "button";
      const facts = [`${words.step} ${entry.step}`];
      if (entry.reward !== undefined) facts.push(`${words.reward} ${plain(entry.reward)}`);
      facts.push(`${entry.tokens} ${words.tokens}`);
      if (entry.source) facts.push(entry.source);
      button.append(`${mark(entry)} ${word(entry.verdict)} `, element("span", facts.join(" · ")), element("span", problems[entry.problem].text.slice(0, 120), "snippet"));
      button.addEventListener("click", () => show(entry, true));
      entry.button = button;
      item.append(button);
      return item;
    });
    if (found.length > PAGE * pages) {
      const item = element("li"), more = element("button", words.more);
      more.type = "button";
      more.addEventListener("click", () => { pages += 1; list(); });
      item.append(more);
      items.push(item);
    }
    if (!items.length) items.push(element("li", words.none, "none"));
    at("list").replaceChildren(...items);
    markCurrent();
  }

  function markCurrent() {
    for (const other of at("list").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    if (current?.button) current.button.setAttribute("aria-current", "true");
  }

  function show(entry, scroll = false) {
    current = entry;
    at("shown").hidden = false;
    const problem = problems[entry.problem];
    const tags = [[`${mark(entry)} ${word(entry.verdict)}`, entry.verdict === "correct" ? "tag right" : entry.verdict === "wrong" ? "tag wrong" : "tag open"]];
    const add = text => tags.push([text, "tag"]);
    add(`${sourceOf(entry)}, ${words.step} ${entry.step}`);
    if (entry.reward !== undefined) add(`${words.reward} ${plain(entry.reward)}`);
    for (const [name, value] of Object.entries(entry.parts ?? {})) add(`${name} ${plain(value)}`);
    if (entry.advantage !== undefined) add(`${words.advantage} ${signed(entry.advantage)}`);
    add(`${entry.tokens} ${words.tokens}`);
    if (entry.end === "length") add(words.cut);
    if (entry.detail) add(entry.detail);
    if (problem.difficulty !== undefined) add(`${words.difficulty} ${plain(problem.difficulty)}`);
    add(problem.id);
    at("tags").replaceChildren(...tags.map(([text, className]) => element("span", text, className)));
    at("problem").textContent = problem.text;
    at("only").setAttribute("aria-pressed", String(only === entry.problem));
    strip(entry);
    completion(entry);
    markCurrent();
    keep();
    if (scroll && window.innerWidth < 768) at("shown").scrollIntoView({block: "start"});
  }

  function strip(entry) {
    const same = entries.filter(other => other.problem === entry.problem);
    const steps = [...new Set(same.map(other => other.step))].sort((a, b) => a - b);
    at("strip").replaceChildren(...steps.map(step => {
      const column = element("div", `${words.step} ${step}`), row = element("div");
      row.append(...same.filter(other => other.step === step).map(other => {
        const button = element("button", mark(other));
        button.type = "button";
        button.title = button.ariaLabel = `${words.step} ${step}: ${word(other.verdict)}, ${other.tokens} ${words.tokens}`;
        button.setAttribute("aria-pressed", String(other === entry));
        button.addEventListener("click", () => show(other));
        return button;
      }));
      column.append(row);
      return column;
    }));
    const place = steps.indexOf(entry.step);
    for (const [name, next] of [["back", steps[place - 1]], ["on", steps[place + 1]]]) {
      at(name).disabled = next === undefined;
      at(name).onclick = () => {
        const there = same.filter(other => other.step === next), here = same.filter(other => other.step === entry.step);
        show(there[Math.min(here.indexOf(entry), there.length - 1)]);
      };
    }
    at("strip").querySelector("[aria-pressed=true]").scrollIntoView({block: "nearest", inline: "nearest"});
  }

  const LEVELS = {
    logprob: value => Math.exp(value) >= 0.9 ? "" : value >= Math.log(0.5) ? "heat-1" : value >= Math.log(0.1) ? "heat-2" : value >= Math.log(0.01) ? "heat-3" : "heat-4",
    entropy: value => value < 0.1 ? "" : value < 0.5 ? "heat-1" : value < 1 ? "heat-2" : value < 2 ? "heat-3" : "heat-4",
    advantage: value => value <= -1 ? "down-2" : value < 0 ? "down-1" : value === 0 ? "" : value < 1 ? "up-1" : "up-2",
  };

  function valueOf(entry, name, place) {
    if (name === "advantage") return entry.advantages ? entry.advantages[place] / 100 : entry.advantage;
    const values = name === "logprob" ? entry.logprobs : entry.entropies;
    return values && values[place] / 100;
  }

  function unknown(entry) {
    return entry.source ? words.unknown_evaluation : entry.characters && colour === "entropy" ? words.unknown_entropy : words.unknown;
  }

  function completion(entry) {
    for (const button of at("colours").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === colour));
    const known = colour === "none" || (entry.characters && valueOf(entry, colour, 0) !== undefined);
    for (const name of Object.keys(LEVELS)) document.getElementById(`legend-${name}`).hidden = name !== colour || !known;
    at("readout").textContent = known ? "" : unknown(entry);
    const nodes = entry.before ? [element("span", entry.before, "before")] : [];
    const gap = entry.gap && element("span", `\n… ${entry.gap.characters.toLocaleString("en")} ${words.gap} …\n`, "gap");
    let start = 0;
    for (const [place, length] of (entry.characters ?? []).entries()) {
      if (gap && start === entry.gap.at && !nodes.includes(gap)) nodes.push(gap);
      const text = entry.text.slice(start, start + length), token = element("span", text);
      token.dataset.place = place;
      if (colour !== "none" && known) {
        const level = LEVELS[colour](valueOf(entry, colour, place));
        if (level) token.classList.add(level);
      }
      if (text.includes("\n")) token.classList.add("line");
      if (length === 0 && place === entry.characters.length - 1) token.classList.add("empty");
      nodes.push(token);
      start += length;
    }
    if (!entry.characters) {
      const place = entry.gap?.at ?? entry.text.length;
      nodes.push(entry.text.slice(0, place), ...(gap ? [gap] : []), entry.text.slice(place));
    }
    at("completion").replaceChildren(...nodes);
    at("completion").scrollTop = 0;
  }

  function read(token) {
    for (const other of at("completion").querySelectorAll(".focus")) other.classList.remove("focus");
    if (!token) return;
    token.classList.add("focus");
    const place = Number(token.dataset.place), text = token.textContent;
    const beyond = current.gap && current.characters.slice(0, place).reduce((a, b) => a + b, 0) >= current.gap.at ? current.gap.tokens : 0;
    const facts = [text ? JSON.stringify(text) : words.nothing, fill(words.token, {place: place + 1 + beyond, tokens: current.tokens})];
    const [logprob, entropy, advantage] = ["logprob", "entropy", "advantage"].map(name => valueOf(current, name, place));
    if (logprob !== undefined) facts.push(`${words.logprob} ${fixed(logprob)} (${(100 * Math.exp(logprob)).toPrecision(2)} %)`);
    if (entropy !== undefined) facts.push(`${words.entropy} ${fixed(entropy)}`);
    if (advantage !== undefined) facts.push(`${words.advantage} ${signed(advantage)}`);
    at("readout").textContent = token.title = facts.join(" · ");
  }

  function keep() {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({values: fields.map(field => field.value), colour, only: problems[only]?.id, current: current && nameOf(current)}));
    } catch { /* a page may have no storage; then a reload begins anew */ }
  }

  function restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT));
      if (!kept) return undefined;
      kept.values.forEach((value, place) => { fields[place].value = value; if (fields[place].value !== value) fields[place].selectedIndex = 0; });
      colour = kept.colour;
      const place = problems.findIndex(problem => problem.id === kept.only);
      only = place < 0 ? null : place;
      return entries.find(entry => nameOf(entry) === kept.current);
    } catch { return undefined; }
  }

  function update() {
    pages = 1;
    filter();
    list();
    keep();
  }

  prepare();
  const before = restore();
  filter();
  list();
  show(before ?? found[0] ?? entries[0]);
  for (const field of fields) field.addEventListener("input", update);
  at("form").addEventListener("submit", event => event.preventDefault());
  at("form").addEventListener("reset", () => setTimeout(() => { only = null; update(); show(current); }));
  at("only").addEventListener("click", () => { only = only === current.problem ? null : current.problem; update(); show(current); });
  at("colours").addEventListener("click", event => { if (event.target.closest("button")) { colour = event.target.closest("button").value; completion(current); keep(); } });
  for (const kind of ["pointerover", "click"]) at("completion").addEventListener(kind, event => { if (event.target.dataset.place) read(event.target); });
  at("list").addEventListener("keydown", event => {
    const way = {ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling"}[event.key];
    const next = way && event.target.closest("li")?.[way]?.querySelector("button");
    if (next) { event.preventDefault(); next.focus(); if (next.closest("li").parentElement.lastElementChild !== next.closest("li") || found.length <= PAGE * pages) next.click(); }
  });
  for (const kind of ["pointerdown", "keydown", "wheel"]) document.getElementById("browser").addEventListener(kind, () => { used = Date.now(); }, {passive: true});
  if (data.reload) setInterval(() => { if (Date.now() - used > QUIET || !used) location.reload(); }, 1000 * data.reload);
})();
