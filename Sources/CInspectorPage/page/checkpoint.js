// One checkpoint: what happened, the state, the writes, the metadata and the exact JSON.

const NO_CONTENT = "This credential lacks the scope `inspect`: only structure and sizes are shown.";
const VIEWS = [["state", "State"], ["changes", "Changes"], ["writes", "Writes"], ["metadata", "Metadata"], ["json", "JSON"]];

/** The address of a checkpoint's view on this page. */
function checkpointAddress(threadID, row, view = "", against = "") {
  const part = (text) => encodeURIComponent(String(text).toWellFormed());
  const query = [["ns", row.checkpoint_ns], ["view", view], ["against", against]];
  const shown = query.filter(([, value]) => value).map(([name, value]) => `${name}=${part(value)}`).join("&");
  return `#/thread/${part(threadID)}/${part(row.checkpoint_id)}${shown ? `?${shown}` : ""}`;
}

/** Names in a row as people write them, the first few. */
function namesList(names) {
  const shown = names.slice(0, 8).map((name) => el("strong", { class: "mono", text: cutText(String(name), 0, 80) }));
  const nodes = shown.flatMap((node, place) => (place === 0 ? [node] : [", ", node]));
  return names.length > 8 ? [...nodes, ` and ${names.length - 8} more`] : nodes;
}

/** The nodes that would run next; "" is LangGraph's way to say none. */
function nextOf(row) {
  return (row.next ?? []).filter((name) => name !== "" && name !== "__end__").map((name) => (name === "__start__" ? "start" : name));
}

/** The node of a write as words; the one that runs next when the write does not name it and there is no other. */
function nodeOf(write, row) {
  const names = new Set(typeof write.node === "string" ? [write.node] : nextOf(row));
  return names.size === 1 ? ["node ", namesList([...names])] : ["a node"];
}

/** The name of a subgraph's node in a namespace, without the ids. */
function namespaceName(ns) {
  return ns === "" ? "(root)" : ns.split("|").map((part) => part.split(":")[0]).join(" › ");
}

/** A sentence on what happened to make this checkpoint. */
function whatHappened(found) {
  const { row, channels } = found;
  const changed = channels.filter((one) => one.is_changed && !one.is_inner).map((one) => one.channel);
  const nodes = (row.nodes ?? []).filter((name) => !name.startsWith("__"));
  const wrote = changed.length > 0 ? ["wrote ", namesList(changed)] : ["changed no channel"];
  // The documents do not tell of every node that waits (of one after several others, for one): its writes may.
  const atWork = [...new Set(found.writes.map((write) => write.node).filter((name) => typeof name === "string" && name !== "" && !name.startsWith("__")))];
  const next = timesEach(nextOf(row).length > 0 ? nextOf(row) : atWork);
  let begin;
  if (row.source === "input") begin = ["A run began with new input", changed.length > 0 ? [": it ", wrote] : null];
  else if (row.source === "fork") begin = ["A copy was made here to go on from; it ", wrote];
  else if (row.source === "update") {
    begin = ["The state was updated from outside", nodes.length > 0 ? [" as if by ", namesList(nodes)] : null, "; this ", wrote];
  } else if (nodes.length > 0) begin = [nodes.length > 1 ? "Nodes " : "Node ", namesList(nodes), " ran and ", wrote];
  else if (row.step === 0) begin = ["The input was taken over; this ", wrote];
  else begin = ["A step ran and ", wrote];
  return [begin, next.length > 0 ? ["; next: ", namesList(next), "."] : found.writes.length > 0 ? "." : ". Nothing is left to run."];
}

/** The text of an error that was written for a task. */
function errorText(value) {
  if (typeof value === "string") return value;
  const parts = isObject(value) ? own(value, "$args") ?? own(value, "args") : null;
  if (Array.isArray(parts) && parts.length > 0 && typeof parts[0] === "string") return `${shortType(own(value, "$type") ?? "Error")}: ${parts[0]}`;
  return preview(value, 2_000);
}

/** The errors of tasks, with their text. */
function errorNote(found, threadID) {
  const errors = found.writes.filter((write) => write.channel === "__error__");
  if (errors.length === 0) return null;
  return el("section", { class: "asked bad", "aria-label": "Errors" },
    errors.map((write) => el("div", {},
      el("p", { class: "asked-title" }, "The run stopped here: ", nodeOf(write, found.row), " failed."),
      write.value === undefined ? null : el("div", { class: "asked-value mono" }, longText(errorText(write.value))))),
    el("p", {}, "What the other tasks of this step wrote is kept. When the cause is gone, this goes on from here:"),
    codeBox(pythonConfig(threadID, null) + "graph.invoke(None, config)\n"));
}

/** The interrupts in the writes: [{value, id, node}]. */
function interruptsOf(writes) {
  return writes.filter((write) => write.channel === "__interrupt__").flatMap((write) => {
    const list = listOf(write.value);
    return (Array.isArray(list) ? list : [list]).map((one) => {
      const isInterrupt = isObject(one) && /\.Interrupt$/.test(String(own(one, "$type")));
      const id = isInterrupt ? own(one, "id") ?? own(one, "interrupt_id") : undefined;
      return { node: write.node, task: write.task_id, id: typeof id === "string" ? id : null, value: isInterrupt ? own(one, "value") : one };
    });
  });
}

/** What was answered: to the tasks that asked, else whatever was given to all. */
function answersTo(asked, writes) {
  const given = writes.filter((write) => write.channel === "__resume__" && write.value !== undefined);
  const theirs = given.filter((write) => asked.some((one) => one.task === write.task_id));
  const isOne = (value) => Array.isArray(value) && value.length === 1;
  return theirs.length > 0 ? theirs.map(({ value }) => (isOne(value) ? value[0] : value)) : given.map(({ value }) => value);
}

/** What an interrupt asks: the text or question first, then the whole value. */
function questionView(value) {
  if (value === undefined) return null;
  if (typeof value === "string") return el("div", { class: "asked-value" }, longText(value, { class: "said" }));
  const question = isObject(value) ? [own(value, "question"), own(value, "message"), own(value, "prompt")].find((one) => typeof one === "string") : null;
  return [
    question ? el("div", { class: "asked-value" }, longText(question, { class: "said" })) : null,
    valueTree(value, { name: "value", path: "value", open: true }),
  ];
}

/** The questions of this checkpoint's tasks: who asks, what, and how to answer; or what was answered. */
function interruptNote(found, threadID) {
  const asked = interruptsOf(found.writes);
  if (asked.length === 0) return null;
  const answers = answersTo(asked, found.writes);
  const isOpen = !found.row.resumed;
  const title = (one) => (isOpen ? ["The run waits here: ", nodeOf(one, found.row), " asks"]
    : ["Here ", nodeOf(one, found.row), " asked, and the run went on"]);
  const questions = asked.map((one) => el("div", {}, el("p", { class: "asked-title" }, title(one), one.value === undefined ? "." : ":"), questionView(one.value)));
  const answered = answers.map((value) => valueTree(value, { name: "answer", path: "answer", open: true }));
  const byID = `Command(resume={\n${asked.map((one) => `    ${pythonText(one.id ?? "")}: "your answer to ${asked.indexOf(one) + 1}",\n`).join("")}})`;
  const command = asked.length > 1 && asked.every((one) => one.id) ? byID : 'Command(resume="your answer")';
  const how = pythonConfig(threadID, null) + `graph.invoke(${command}, config)\n`;
  return el("section", { class: `asked ${isOpen ? "warn" : "ok"}`, "aria-label": "Interrupts" }, questions, answered,
    isOpen ? [el("p", {}, asked.length > 1 ? "To answer, and let the run go on:" : "To answer it, and let the run go on:"),
      codeBox(`from langgraph.types import Command\n\n${how}`)] : null);
}

/** Says when a checkpoint that has work left is the newest and nothing tells why it stopped. */
async function stopNote(found, thread, signal) {
  const { row } = found;
  if (nextOf(row).length === 0 || row.errors > 0 || row.interrupts > 0) return null;
  const checkpoints = thread.rows ?? (await call("history", { thread_id: thread.thread_id, limit: 200 }, signal)).checkpoints;
  const isListed = checkpoints.some((one) => one.checkpoint_id === row.checkpoint_id && one.checkpoint_ns === row.checkpoint_ns);
  const isFollowed = checkpoints.some((one) => one.parent_checkpoint_id === row.checkpoint_id && one.checkpoint_ns === row.checkpoint_ns);
  if (!isListed || isFollowed) return null;
  const inner = checkpoints.find((one) => one.checkpoint_ns !== row.checkpoint_ns && one.checkpoint_ns.startsWith(row.checkpoint_ns)
    && String(one.ts) > String(row.ts) && (one.errors > 0 || (one.interrupts > 0 && !one.resumed)));
  if (inner) {
    return el("p", { class: "sentence warn" }, "The run waits in the subgraph ",
      el("a", { href: checkpointAddress(thread.thread_id, inner), text: namespaceName(inner.checkpoint_ns) }), ".");
  }
  return el("p", { class: "sentence" }, namesList(timesEach(nextOf(row))),
    " has not finished, and there is no error and no question: it is at work, a breakpoint holds it, or its program has ended.");
}

/** The line with an id and its button. */
function idLine(name, text, address = null) {
  const shown = address ? el("a", { class: "mono", href: address, text }) : el("span", { class: "mono", text });
  return [el("dt", { text: name }), el("dd", {}, shown, copyButton(text, `Copy the ${name}`))];
}

/** Who, when and which: the head of a checkpoint. */
function checkpointHead(thread, row) {
  const ns = row.checkpoint_ns === "" ? null : idLine("namespace", row.checkpoint_ns);
  const parent = row.parent_checkpoint_id
    ? idLine("parent", row.parent_checkpoint_id, checkpointAddress(thread.thread_id, { ...row, checkpoint_id: row.parent_checkpoint_id }))
    : [el("dt", { text: "parent" }), el("dd", { class: "dim", text: "none: the beginning" })];
  return el("header", { class: "checkpoint-head" },
    el("div", { class: "row" },
      el("h2", { class: "mono", text: cutText(titleOf(row), 0, 120) }),
      row.step === null || row.step === undefined ? null : el("span", { class: "chip", text: `step ${row.step}` }),
      row.source ? el("span", { class: "chip", text: row.source }) : null,
      row.errors > 0 ? el("span", { class: "chip bad", text: "failed" }) : null,
      row.interrupts > 0 ? el("span", { class: row.resumed ? "chip ok" : "chip warn", text: row.resumed ? "answered" : "waits for an answer" }) : null,
      el("time", { class: "dim", title: row.ts ?? "" }, `${when(row.ts)}${row.ts ? ` · ${ago(row.ts)}` : ""}`)),
    el("dl", { class: "ids" }, idLine("checkpoint", row.checkpoint_id), parent, ns, row.run_id ? idLine("run", row.run_id) : null));
}

/** Tabs after the ARIA pattern: arrow keys, Home and End move; a panel is made when it is first shown. */
function tabbed(tabs, first, shown) {
  const list = el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the checkpoint" });
  const panel = el("div", { class: "tab-panel", role: "tabpanel", id: "checkpoint-panel", tabindex: 0 });
  const buttons = tabs.map(({ id, label }) => el("button",
    { class: "tab", role: "tab", type: "button", id: `checkpoint-tab-${id}`, "aria-controls": "checkpoint-panel", text: label }));
  const select = (place, isFocused) => {
    buttons.forEach((button, other) => {
      button.setAttribute("aria-selected", String(other === place));
      button.setAttribute("tabindex", other === place ? "0" : "-1");
    });
    panel.setAttribute("aria-labelledby", buttons[place].id);
    if (isFocused) buttons[place].focus();
    if (isFocused) buttons[place].scrollIntoView({ block: "nearest", inline: "nearest" });
    clear(panel, tabs[place].make());
    shown(tabs[place].id);
  };
  buttons.forEach((button, place) => button.addEventListener("click", () => select(place, true)));
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = new Map([["ArrowRight", at + 1], ["ArrowLeft", at - 1], ["Home", 0], ["End", buttons.length - 1]]).get(event.key);
    if (to === undefined || at < 0) return;
    event.preventDefault();
    select((to + buttons.length) % buttons.length, true);
  });
  list.append(...buttons);
  const place = Math.max(0, tabs.findIndex(({ id }) => id === first));
  return { node: el("div", {}, list, panel), start: () => select(place, false) };
}

/** The line over a channel's value: name, what it is, how large, whether it changed. */
function channelLine(channel) {
  return el("div", { class: "channel-line" },
    el("strong", { class: "mono channel-name", text: channel.channel }),
    channel.is_changed ? el("span", { class: "chip accent", text: "changed" }) : null,
    el("span", { class: "dim", text: channel.type === null ? "no value" : `${channel.type} · ${bytes(channel.bytes)}` }),
    copyButton(channel.channel, "Copy the channel's name", "path"));
}

/** A channel with its value as a tree, or as a conversation. */
function channelView(channel) {
  const { value } = channel;
  if (value === undefined) return el("section", { class: "channel" }, channelLine(channel));
  const isDelta = channel.type === "delta";
  const words = "A delta channel: its last snapshot and what was written since. The graph makes its value of them.";
  const note = isDelta ? el("p", { class: "dim", text: words }) : null;
  if (isMessages(value)) return el("section", { class: "channel" }, channelLine(channel), note, conversation(value, { path: channel.channel }));
  const entries = describe(value).entries;
  return el("section", { class: "channel" }, channelLine(channel), note,
    valueTree(value, { path: channel.channel, open: !entries || entries.length <= 30 }));
}

/** All channels without their values. */
function channelTable(channels) {
  const line = (one) => el("tr", {}, el("td", { class: "mono", text: one.channel }), el("td", { text: one.type ?? "no value" }),
    el("td", { class: "num", text: one.type === null ? "–" : bytes(one.bytes) }), el("td", { text: one.is_changed ? "changed" : "" }),
    el("td", { class: "mono dim version", text: one.version ?? "–" }));
  const heads = [["Channel"], ["Type"], ["Size", "num"], ["In this step"], ["Version"]].map(([text, style]) => el("th", { scope: "col", class: style, text }));
  return el("div", { class: "table-frame" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, channels.map(line))));
}

/** The state: conversations first, then the graph's own channels, then LangGraph's, folded. */
function stateView(found) {
  const outer = found.channels.filter((one) => !one.is_inner);
  const inner = found.channels.filter((one) => one.is_inner);
  if (!found.has_content) return [el("p", { class: "sentence warn", text: NO_CONTENT }), channelTable([...outer, ...inner])];
  const isTalk = (one) => one.value !== undefined && isMessages(one.value);
  const folded = inner.length === 0 ? null
    : lazyDetails("inner", el("span", { class: "dim", text: count(inner.length, "channel") + " of LangGraph's own" }), () => inner.map(channelView));
  if (outer.length === 0) return [el("p", { class: "dim", text: "No channel has a value yet." }), folded];
  return [outer.filter(isTalk).map(channelView), outer.filter((one) => !isTalk(one)).map(channelView), folded];
}

/** What a channel of LangGraph's own in a write means. */
const WRITE_WORDS = new Map([
  ["__interrupt__", "interrupt"], ["__error__", "error"], ["__resume__", "answer"], ["__scheduled__", "scheduled"],
  ["__error_source_node__", "error source"], ["__no_writes__", "nothing"],
]);

/** What tasks wrote after this checkpoint, by task. */
function writesView(found) {
  if (found.writes.length === 0) return el("p", { class: "dim", text: "No task has written anything after this checkpoint." });
  const tasks = new Map();
  for (const write of found.writes) {
    if (!tasks.has(write.task_id)) tasks.set(write.task_id, []);
    tasks.get(write.task_id).push(write);
  }
  const written = (write) => {
    const word = WRITE_WORDS.get(write.channel);
    const style = word === "error" ? "chip bad" : word === "interrupt" ? "chip warn" : "chip accent";
    const line = el("div", { class: "channel-line" }, el("strong", { class: "mono channel-name", text: write.channel }),
      word ? el("span", { class: style, text: word }) : null, el("span", { class: "dim", text: `${write.type ?? "no value"} · ${bytes(write.bytes)}` }));
    if (write.value === undefined) return el("div", { class: "write" }, line);
    const shown = isMessages(write.value) ? conversation(write.value, { path: "value" }) : valueTree(write.value, { path: "value", open: true });
    return el("div", { class: "write" }, line, shown);
  };
  const task = ([id, writes]) => el("section", { class: "channel" },
    el("div", { class: "channel-line" }, el("h3", { class: "mono", text: writes.find((one) => one.node)?.node ?? "task" }),
      el("span", { class: "dim mono id", text: id }), copyButton(id, "Copy the task's id")), writes.map(written));
  const intro = "What the tasks of the next step have written. LangGraph puts it into the next checkpoint when all are done.";
  return [el("p", { class: "dim", text: intro }), found.has_content ? null : el("p", { class: "sentence warn", text: NO_CONTENT }), [...tasks].map(task)];
}

/** The metadata as a tree. */
function metadataView(found) {
  if (!found.has_content) return [el("p", { class: "sentence warn", text: NO_CONTENT }), el("p", { text: `${bytes(found.metadata.bytes)} of metadata.` })];
  return el("section", { class: "channel" }, valueTree(found.metadata.value, { path: "metadata", open: true }));
}

/** The stored texts, exactly. */
function jsonView(found, name) {
  if (!found.has_content) return [el("p", { class: "sentence warn", text: NO_CONTENT }), el("p", { text: `${bytes(found.document.bytes)} of JSON.` })];
  return [
    exactText("The checkpoint as stored", found.document.text, `${name}.checkpoint.json`),
    exactText("Its metadata as stored", found.metadata_text, `${name}.metadata.json`),
  ];
}

/** Shows a checkpoint in a panel. */
async function showCheckpoint(panel, thread, row, route, signal) {
  const threadID = thread.thread_id;
  const key = { thread_id: threadID, checkpoint_ns: row.checkpoint_ns, checkpoint_id: row.checkpoint_id };
  const found = await callFor(panel, "checkpoint", key, signal);
  if (signal?.aborted) return;
  if (found === null) {
    clear(panel, el("p", { class: "empty", text: "This checkpoint is not in the store (any more)." }));
    return;
  }
  const views = new Map([
    ["state", () => stateView(found)],
    ["changes", () => changesView(thread, found.row, route, signal)],
    ["writes", () => writesView(found)],
    ["metadata", () => metadataView(found)],
    ["json", () => jsonView(found, row.checkpoint_id)],
  ]);
  const tabs = VIEWS.map(([id, label]) => ({
    id, label: id === "writes" && found.writes.length > 0 ? `${label} (${found.writes.length})` : label, make: views.get(id),
  }));
  const { node, start } = tabbed(tabs, route.view, (view) => rememberView(threadID, found.row, route, view));
  const why = el("div", { class: "why" });
  clear(panel, el("article", { class: "checkpoint" }, checkpointHead(thread, found.row),
    el("p", { class: "sentence", "data-part": "what" }, whatHappened(found)),
    errorNote(found, threadID), interruptNote(found, threadID), why, actionsFor(thread, found.row), node));
  start();
  const note = await stopNote(found, thread, signal).catch(() => null);
  if (note && !signal?.aborted) why.append(note);
}

/** Keeps the chosen tab in the address, without a new view. */
function rememberView(threadID, row, route, view) {
  if (route.view === view || (view === "state" && !route.view)) return;
  route.view = view;
  window.history.replaceState(window.history.state, "", checkpointAddress(threadID, row, view === "state" ? "" : view, view === "changes" ? route.against : ""));
}
