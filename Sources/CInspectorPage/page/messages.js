// Messages in a decoded state, as a conversation: LangChain's, LangChain's as JSON, and dicts with role and content.

const MESSAGES_STEP = 50;

const ROLES = new Map([
  ["human", "Human"], ["user", "Human"], ["ai", "Assistant"], ["assistant", "Assistant"], ["system", "System"],
  ["developer", "System"], ["tool", "Tool"], ["function", "Tool"], ["remove", "Removal"], ["chat", "Chat"],
]);

/** The role in the name of a LangChain class: `ai` of `AIMessageChunk`; null when it is no message. */
function roleOfClass(name) {
  const found = /^([A-Za-z]+)Message(Chunk)?$/.exec(name);
  return found && ROLES.has(found[1].toLowerCase()) ? found[1].toLowerCase() : null;
}

/** A message as {role, kind, fields}, or null when the value is none. */
function asMessage(value) {
  if (!isObject(value)) return null;
  const type = own(value, "$type");
  if (typeof type === "string") {
    const role = /^langchain(_core)?\./.test(type) ? roleOfClass(shortType(type)) : null;
    return role ? { role, kind: shortType(type), fields: value } : null;
  }
  const id = own(value, "id");
  if (own(value, "lc") !== undefined && Array.isArray(id) && isObject(own(value, "kwargs"))) {
    const name = String(id.at(-1));
    const role = roleOfClass(name);
    return role ? { role, kind: name, fields: own(value, "kwargs") } : null;
  }
  const role = own(value, "role");
  const isDict = typeof role === "string" && ROLES.has(role);
  if (!isDict || !(Object.hasOwn(value, "content") || Object.hasOwn(value, "tool_calls"))) return null;
  return { role, kind: "dict", fields: value };
}

/** What was written to a delta channel, in its order: the graph's reducer, which is not here, would make one list of it. */
function deltaList(value) {
  const seed = listOf(own(value, "seed"));
  return [seed ?? [], own(value, "writes") ?? []].flat(2).filter((one) => one !== null);
}

/** The list itself of a snapshot, a delta channel or a set of messages, else the value. */
function listOf(value) {
  if (!isObject(value)) return value;
  if (own(value, "$type") === "delta channel") return deltaList(value);
  return own(value, "$snapshot") ?? own(value, "$value") ?? value;
}

/** Whether a value is a list of messages: those at both ends are. */
function isMessages(value) {
  const list = listOf(value);
  if (!Array.isArray(list) || list.length === 0) return false;
  return [...list.slice(0, 3), ...list.slice(-3)].every((one) => asMessage(one) !== null);
}

/** The text of a value that ought to be one. */
function textOf(value) {
  return typeof value === "string" ? value : "";
}

/** Arguments of a call: a dict as it is, and a JSON text read, when it can be without changing a number. */
function callArguments(value) {
  if (typeof value !== "string" || value.length > 1_000_000) return value;
  try {
    return parseExactly(value);
  } catch {
    return value;
  }
}

/** The calls a message asks for: [{id, name, args, problem}]. */
function callsOf(message) {
  const found = [];
  const add = (id, name, args, problem = "") => found.push({ id: textOf(id), name: textOf(name) || "?", args, problem });
  for (const one of [own(message.fields, "tool_calls")].flat()) {
    if (!isObject(one)) continue;
    const called = own(one, "function");
    if (isObject(called)) add(own(one, "id"), own(called, "name"), callArguments(own(called, "arguments")));
    else add(own(one, "id"), own(one, "name"), own(one, "args"));
  }
  for (const one of [own(message.fields, "invalid_tool_calls")].flat()) {
    if (!isObject(one)) continue;
    add(own(one, "id"), own(one, "name"), own(one, "args"), textOf(own(one, "error")) || "These arguments cannot be read.");
  }
  const legacy = own(message.fields, "function_call");
  if (isObject(legacy)) add("", own(legacy, "name"), callArguments(own(legacy, "arguments")));
  if (found.length > 0 || !Array.isArray(own(message.fields, "content"))) return found;
  for (const block of own(message.fields, "content")) {
    if (isObject(block) && own(block, "type") === "tool_use") add(own(block, "id"), own(block, "name"), own(block, "input"));
  }
  return found;
}

/** Which message answers which call: `answers` by call object, `claimed` are places of messages shown with their call. */
function matchAnswers(list) {
  const open = new Map();
  const answers = new Map();
  const claimed = new Set();
  const calls = list.map((value, place) => {
    const message = asMessage(value);
    if (!message) return [];
    if (ROLES.get(message.role) === "Tool") {
      const call = open.get(textOf(own(message.fields, "tool_call_id")));
      if (call) {
        answers.set(call, place);
        claimed.add(place);
        open.delete(call.id);
      }
      return [];
    }
    const found = callsOf(message);
    for (const call of found) if (call.id) open.set(call.id, call);
    return found;
  });
  return { calls, answers, claimed };
}

/** How many characters the texts in a value have, looking at no more than some of it. */
function sizeOfTexts(value, depth = 4) {
  if (typeof value === "string") return value.length;
  if (depth === 0 || typeof value !== "object" || value === null) return 0;
  return Object.values(value).slice(0, 50).reduce((sum, one) => sum + sizeOfTexts(one, depth - 1), 0);
}

/** The text of a block of reasoning, in the forms that providers have, or null. */
function reasoningOf(block) {
  const type = own(block, "type");
  if (type === "redacted_thinking") return "(redacted)";
  if (type !== "reasoning" && type !== "thinking" && type !== "reasoning_content") return null;
  const direct = [own(block, "reasoning"), own(block, "thinking"), own(block, "text")].find((one) => typeof one === "string");
  if (direct !== undefined) return direct;
  const inner = own(block, "reasoning_content");
  if (isObject(inner)) return textOf(own(inner, "text"));
  const parts = [own(block, "summary"), own(block, "content")].flat().filter(isObject);
  return parts.map((part) => textOf(own(part, "text"))).join("\n") || null;
}

/** Reasoning, folded: its beginning is in the summary. */
function reasoningView(text) {
  const glance = el("span", { class: "glance", text: oneLine(cutText(text, 0, 90)) });
  return lazyDetails("reasoning", [el("span", { class: "chip", text: "reasoning" }), glance], () => longText(text, { class: "said dim" }));
}

/** A block of a message's content: text, reasoning, or a label with its size that opens as a tree. */
function blockView(block, path, callIDs) {
  if (typeof block === "string") return el("div", { class: "said-box" }, longText(block, { class: "said" }));
  if (!isObject(block)) return valueTree(block, { path });
  const type = textOf(own(block, "type")) || "block";
  if (["text", "output_text", "input_text"].includes(type) && typeof own(block, "text") === "string") {
    return el("div", { class: "said-box" }, longText(own(block, "text"), { class: "said" }));
  }
  const reasoning = reasoningOf(block);
  if (reasoning !== null) return reasoningView(reasoning);
  if (type === "tool_use" || type === "tool_call") {
    if (callIDs.has(textOf(own(block, "id")))) return null;
  }
  const size = sizeOfTexts(block);
  const inner = own(block, "image_url");
  const address = textOf(isObject(inner) ? own(inner, "url") : own(block, "url"));
  const glance = address !== "" && address.length < 300 && !address.startsWith("data:") ? oneLine(address) : `${grouped(size)} characters`;
  const label = [el("span", { class: "chip", text: type }), el("span", { class: "glance", text: glance })];
  return lazyDetails("block", label, () => valueTree(block, { path, open: true }));
}

/** A fold that is filled when it is first opened. */
function lazyDetails(style, summary, make) {
  const details = el("details", { class: `fold ${style}` }, el("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(el("div", { class: "fold-body" }, make()));
  });
  return details;
}

/** What a message says. */
function contentView(message, path, callIDs) {
  const content = own(message.fields, "content");
  if (typeof content === "string") {
    return content === "" ? null : el("div", { class: "said-box" }, longText(content, { class: "said" }));
  }
  if (!Array.isArray(content)) return content === null || content === undefined ? null : valueTree(content, { path, open: true });
  const shown = content.slice(0, 200).map((block, place) => blockView(block, `${path}[${place}]`, callIDs));
  if (content.length > 200) shown.push(valueTree(content, { name: "all blocks", path }));
  return shown;
}

/** A call with its arguments, and what answered it. */
function callView(call, path, answer, answerPath) {
  const args = call.args;
  const isEmpty = args === undefined || args === null || (isObject(args) && Object.keys(args).length === 0);
  const head = el("div", { class: "call-head" },
    el("span", { class: "chip accent", text: "call" }), el("strong", { class: "mono", text: call.name }),
    call.id ? el("span", { class: "dim mono id", text: call.id }) : null);
  const problem = call.problem ? el("p", { class: "error", text: call.problem }) : null;
  const shown = isEmpty ? el("span", { class: "dim", text: "no arguments" }) : valueTree(args, { path, open: true, isBare: true });
  if (!answer) return el("div", { class: "call-box" }, head, problem, shown, el("p", { class: "dim", text: "No result yet." }));
  const isFailed = own(answer.fields, "status") === "error";
  const result = el("div", { class: isFailed ? "result failed" : "result" },
    el("div", { class: "call-head" },
      el("span", { class: isFailed ? "chip bad" : "chip ok", text: isFailed ? "failed" : "result" }),
      answer.place === null ? null : el("span", { class: "dim place", text: `[${answer.place}]` })),
    contentView(answer, `${answerPath}.content`, new Set()), extraView(answer, answerPath));
  return el("div", { class: "call-box" }, head, problem, shown, result);
}

/** Fields that the conversation has shown already, or that say nothing. */
const SHOWN_FIELDS = new Set(["$type", "content", "tool_calls", "invalid_tool_calls", "role", "type", "name", "tool_call_id", "function_call", "id", "status"]);

/** Whether a field holds nothing. */
function isNothing(value) {
  if (value === null || value === undefined || value === "" || value === false) return true;
  return typeof value === "object" && !(value instanceof ExactNumber) && Object.keys(value).length === 0;
}

/** One line about the model's work: tokens, model, why it ended. */
function usageLine(fields) {
  const found = [];
  const usage = own(fields, "usage_metadata");
  if (isObject(usage)) {
    const parts = [["input_tokens", "in"], ["output_tokens", "out"]];
    for (const [name, word] of parts) if (isObject(usage) && own(usage, name) !== undefined) found.push(`${preview(own(usage, name), 12)} ${word}`);
    if (found.length > 0) found[found.length - 1] += " tokens";
  }
  const response = own(fields, "response_metadata");
  for (const name of isObject(response) ? ["model_name", "model", "finish_reason", "stop_reason"] : []) {
    const text = own(response, name);
    if (typeof text === "string" && text) found.push(oneLine(cutText(text, 0, 40)));
  }
  return found.join(" · ");
}

/** Everything else a message has, folded. */
function extraView(message, path) {
  const rest = Object.keys(message.fields).filter((name) => {
    const value = own(message.fields, name);
    return !SHOWN_FIELDS.has(name) && !isNothing(value);
  });
  if (rest.length === 0) return null;
  const line = usageLine(message.fields) || (rest.length === 1 ? plainName(rest[0]) : `${rest.length} more fields`);
  return lazyDetails("extra", el("span", { class: "dim", text: line }), () =>
    rest.map((name) => valueTree(own(message.fields, name), { name: plainName(name), path: pathTo(path, plainName(name)) })));
}

/** One message of a conversation with its calls and their results. */
function messageView(list, place, matched, path, first = 0) {
  const number = place + first;
  const here = `${path}[${number}]`;
  const message = asMessage(list[place]);
  if (!message) return el("li", { class: "message other" }, valueTree(list[place], { name: number, path: here, open: true }));
  const { fields, role } = message;
  const who = ROLES.get(role);
  const name = textOf(own(fields, "name"));
  const id = textOf(own(fields, "id"));
  const isFailed = own(fields, "status") === "error";
  const head = el("div", { class: "message-head" },
    el("strong", { class: "who", text: who }), name ? el("span", { class: "mono", text: cutText(name, 0, 80) }) : null,
    isFailed ? el("span", { class: "chip bad", text: "failed" }) : null,
    el("span", { class: "type", text: message.kind }), el("span", { class: "dim place", text: `[${number}]` }),
    id ? el("span", { class: "dim mono id", text: cutText(id, 0, 80) }) : null,
    copyButton(here, `Copy the path ${here}`, "path"));
  const calls = matched.calls[place];
  const hidden = new Set(calls.map((call) => call.id));
  const extras = isObject(own(fields, "additional_kwargs")) ? own(own(fields, "additional_kwargs"), "reasoning_content") : null;
  const shown = calls.map((call, order) => {
    const at = matched.answers.get(call);
    const answer = at === undefined ? null : { ...asMessage(list[at]), place: at + first };
    return callView(call, `${here}.tool_calls[${order}].args`, answer, `${path}[${at + first}]`);
  });
  const removed = role === "remove" ? el("p", { class: "dim", text: `Removes the message ${preview(own(fields, "id"), 80)}.` }) : null;
  const said = contentView(message, `${here}.content`, hidden);
  const isSilent = !removed && (said === null || said.length === 0) && calls.length === 0;
  return el("li", { class: `message ${who.toLowerCase()}${isFailed ? " failed" : ""}` }, head,
    typeof extras === "string" && extras ? reasoningView(extras) : null, removed, said,
    isSilent ? el("p", { class: "dim", text: "No content." }) : null, shown, extraView(message, here));
}

/** A list of messages as a conversation: the newest 50, and earlier ones in steps; it is at `path`, from place `first` on. */
function conversation(value, { path = "messages", first = 0 } = {}) {
  const list = listOf(value);
  const matched = matchAnswers(list);
  const places = list.map((_, place) => place).filter((place) => !matched.claimed.has(place));
  let from = Math.max(0, places.length - MESSAGES_STEP);
  const make = (start, end) => places.slice(start, end).map((place) => messageView(list, place, matched, path, first));
  const items = el("ol", { class: "conversation", "aria-label": "Conversation" }, make(from, places.length));
  if (from === 0) return items;
  const earlier = el("button", { class: "more", type: "button" });
  const update = () => (earlier.textContent = `show ${Math.min(MESSAGES_STEP, from)} earlier (${grouped(from)} not shown)`);
  earlier.addEventListener("click", () => {
    const start = Math.max(0, from - MESSAGES_STEP);
    items.prepend(...make(start, from));
    from = start;
    if (from === 0) earlier.remove();
    else update();
  });
  update();
  return el("div", {}, earlier, items);
}
