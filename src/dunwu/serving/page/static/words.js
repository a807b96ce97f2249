// What the page says, in English and Chinese.

const WORDS = {
  en: {
    skip: "Skip to the question", conversations: "Conversations", thoughts: "Chain of thought", new: "New conversation", none: "Nothing here yet. Conversations stay in this browser.",
    export: "Save as", model: "Model", compare: "Compare two models", other: "Second model", settings: "Settings",
    theme: "Colours: {name}", theme_auto: "as the system", theme_light: "light", theme_dark: "dark",
    welcome: "Ask a question, and watch the model think.",
    welcome_more: "The chain of thought comes first, then the answer. Nothing leaves this server.",
    question: "Your question", hint: "Enter sends, Shift+Enter starts a new line, Esc stops.",
    send: "Send", stop: "Stop", system: "System prompt", temperature: "Temperature", top_p: "Top p", max_tokens: "Most tokens", seed: "Seed",
    empty_fields: "Empty fields leave it to the server. The same seed gives the same answer.", think: "Think before answering",
    key: "API key", key_more: "Only if the server asks for one. It is forgotten when this tab is closed.", reset: "Reset", done: "Done",
    cancel: "Cancel", delete: "Delete", rename: "Rename", delete_it: "Delete “{title}”?", edit: "Edit the question", again: "Answer again", copy: "Copy", copied: "Copied",
    ask_again: "Ask again", edit_more: "This replaces what follows.", you: "You",
    waiting: "Waiting …", thinking: "Thinking … {seconds} s", thought: "Thought for {seconds} s", ready: "The answer is ready. {text}",
    gap: " ", stopped: "Stopped.", length: "Cut off: the limit of tokens was reached.", cut: "Cut off: the server ran out of time.",
    left_out: "There is no answer, so later questions are asked without this one.", no_answer: "The model ended without an answer.",
    lost: "The server cannot be reached. Is it still running?", broken: "The connection ended before the answer did.", refused: "The server answered with {status}.",
    need_key: "The server asks for an API key: enter it in the settings.", full: "The browser's storage is full: delete conversations, or save this one as a file.",
    no_models: "The server names no models.", tokens: "{count} tokens", untitled: "Untitled", same_models: "Choose two different models to compare.",
  },
  zh: {
    skip: "跳到提问框", conversations: "对话", thoughts: "思维链", new: "新对话", none: "还没有对话。对话只保存在此浏览器中。",
    export: "另存为", model: "模型", compare: "对比两个模型", other: "第二个模型", settings: "设置",
    theme: "配色：{name}", theme_auto: "跟随系统", theme_light: "浅色", theme_dark: "深色",
    welcome: "提一个问题，看模型如何思考。",
    welcome_more: "先显示思维链，再给出回答。内容不会离开这台服务器。",
    question: "你的问题", hint: "Enter 发送，Shift+Enter 换行，Esc 停止。",
    send: "发送", stop: "停止", system: "系统提示词", temperature: "温度", top_p: "Top p", max_tokens: "最多词元数", seed: "随机种子",
    empty_fields: "留空则由服务器决定。相同的种子得到相同的回答。", think: "先思考再回答",
    key: "API 密钥", key_more: "仅当服务器要求时填写。关闭此标签页后即被忘记。", reset: "恢复默认", done: "完成",
    cancel: "取消", delete: "删除", rename: "重命名", delete_it: "删除“{title}”？", edit: "修改问题", again: "重新回答", copy: "复制", copied: "已复制",
    ask_again: "重新提问", edit_more: "其后的内容会被替换。", you: "你",
    waiting: "等待中……", thinking: "思考中…… {seconds} 秒", thought: "思考了 {seconds} 秒", ready: "回答已完成。{text}",
    gap: "", stopped: "已停止。", length: "已截断：达到词元数上限。", cut: "已截断：服务器的时间用完了。",
    left_out: "没有回答，因此之后的提问不包含这个问题。", no_answer: "模型结束时没有给出回答。",
    lost: "无法连接服务器。它还在运行吗？", broken: "回答完成之前连接就断开了。", refused: "服务器返回 {status}。",
    need_key: "服务器要求 API 密钥：请在设置中填写。", full: "浏览器的存储空间已满：请删除一些对话，或把此对话另存为文件。",
    no_models: "服务器没有提供任何模型。", tokens: "{count} 个词元", untitled: "未命名", same_models: "请选择两个不同的模型进行对比。",
  },
};

let language = localStorage.getItem("dunwu.language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in WORDS)) language = "en";

export function say(key, values = {}) {
  return WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem("dunwu.language", language);
}

// Writes the words into the elements that name them.
export function writeWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say, element.dataset);
  for (const element of document.querySelectorAll("[data-label]")) label(element, say(element.dataset.label));
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = say(element.dataset.placeholder);
  const other = document.getElementById("language");
  other.textContent = language === "zh" ? "EN" : "中";
  other.title = language === "zh" ? "English" : "中文";
  other.lang = language === "zh" ? "en" : "zh";
}

export function label(element, text) {
  element.setAttribute("aria-label", text);
  if (element.tagName === "BUTTON" || element.tagName === "SELECT") element.title = text;
}
