// What can be done with what is on the screen: go on from here, prune, delete; and the same as curl and Python.

/** A text as one word of a POSIX shell. */
function shellQuote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A value as JSON of ASCII alone, so that no terminal and no editor changes it. */
function asciiJSON(value) {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A text as a literal of Python, of ASCII alone. */
function pythonText(text) {
  const escaped = Array.from(JSON.stringify(String(text)), (one) => {
    const code = one.codePointAt(0);
    if (code > 0xffff) return `\\U${code.toString(16).padStart(8, "0")}`;
    return code > 0x7e ? `\\u${code.toString(16).padStart(4, "0")}` : one;
  });
  return escaped.join("");
}

/** The curl command of a request; the key is never in it. */
function curlText(method, path, body) {
  const lines = [`curl -sS ${method === "GET" ? "" : `-X ${method} `}${shellQuote(location.origin + path)}`];
  if (caller.authentication) lines.push('-H "authorization: Bearer $MILEPOST_API_KEY"');
  if (body !== undefined) lines.push("-H 'content-type: application/json'", `-d ${shellQuote(asciiJSON(body))}`);
  return `${lines.join(" \\\n  ")}\n`;
}

/** The lines of Python that make the saver; the key is never in them. */
function pythonSaver() {
  const key = caller.authentication ? ', api_key=os.environ["MILEPOST_API_KEY"]' : "";
  const imports = caller.authentication ? "import os\n\n" : "";
  return `${imports}from langgraph.checkpoint.milepost import MilepostSaver\n\nsaver = MilepostSaver(${pythonText(location.origin)}${key})\n`;
}

/** The Python with the config of a thread, or of one of its checkpoints. */
function pythonConfig(threadID, row) {
  if (!row) return `config = {"configurable": {"thread_id": ${pythonText(threadID)}}}\n`;
  const parts = [["thread_id", threadID], ["checkpoint_ns", row.checkpoint_ns], ["checkpoint_id", row.checkpoint_id]];
  return `config = {"configurable": {\n${parts.map(([name, text]) => `    "${name}": ${pythonText(text)},\n`).join("")}}}\n`;
}

/** A path of the server with an id in it. */
function threadPath(threadID) {
  return `/threads/${encodeURIComponent(String(threadID).toWellFormed())}`;
}

/** What shows the screen's content in a shell: of a checkpoint, a thread or the list of threads. */
function curlFor(threadID, row) {
  if (threadID === null) return curlText("GET", "/threads?limit=100");
  if (!row) return `${curlText("GET", threadPath(threadID))}\n${curlText("POST", "/inspector/history", { thread_id: threadID, limit: 100 })}`;
  return curlText("POST", "/inspector/checkpoint", { thread_id: threadID, checkpoint_ns: row.checkpoint_ns, checkpoint_id: row.checkpoint_id });
}

/** The same in Python. */
function pythonFor(threadID, row) {
  const saver = pythonSaver();
  if (threadID === null) {
    return `${saver}for saved in saver.list(None, limit=20):\n    print(saved.config["configurable"]["thread_id"], saved.metadata)\n`;
  }
  if (!row) {
    return `${saver}${pythonConfig(threadID, null)}for saved in saver.list(config, limit=20):\n`
      + '    print(saved.config["configurable"]["checkpoint_id"], saved.metadata)\n';
  }
  return `${saver}${pythonConfig(threadID, row)}saved = saver.get_tuple(config)\nprint(saved.checkpoint["channel_values"])\nprint(saved.pending_writes)\n`;
}

/** A piece of code with its button. */
function codeBox(text) {
  const label = "Copy this code";
  return el("div", { class: "code-box" }, el("pre", { tabindex: 0, text: text.trimEnd() }), copyButton(text, label));
}

let dialogs = 0;

/** Opens a dialog; `make(close)` gives what is in it. It is gone when it is closed. */
function openDialog(title, make) {
  const id = `dialog-${++dialogs}`;
  const dialog = el("dialog", { class: "action", "aria-labelledby": id });
  const close = () => dialog.close();
  append(dialog, [el("h2", { id, text: title }), make(close)]);
  const before = location.hash;
  const leave = () => location.hash.split("?")[0] !== before.split("?")[0] && close();
  dialog.addEventListener("close", () => {
    removeEventListener("hashchange", leave);
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && isOutside(dialog, event) && close());
  addEventListener("hashchange", leave);
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("[data-first]")?.focus();
  return dialog;
}

/** Whether a click was beside a dialog. */
function isOutside(dialog, event) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/** The buttons at the end of a dialog. */
function dialogButtons(...buttons) {
  return el("div", { class: "dialog-buttons" }, buttons);
}

/** A button that closes a dialog. */
function closeButton(close, text = "Cancel", isFirst = false) {
  return el("button", { class: "button", type: "button", text, on: { click: close }, "data-first": isFirst ? "" : null });
}

/** Shows a snippet. */
function openSnippets(threadID, row, kind) {
  const what = threadID === null ? "the threads" : row ? "this checkpoint" : "this thread";
  const keyNote = caller.authentication ? el("p", { class: "dim", text: "The key is read from MILEPOST_API_KEY." }) : null;
  openDialog(`${kind === "curl" ? "curl" : "Python"}: ${what}`, (close) => [
    codeBox(kind === "curl" ? curlFor(threadID, row) : pythonFor(threadID, row)), keyNote, dialogButtons(closeButton(close, "Close", true)),
  ]);
}

/** A place for what a dialog's call says: its failure as a sentence. */
function sayPlace() {
  return el("p", { class: "dialog-says", role: "status" });
}

/** Runs a dialog's work once, with its button disabled; a failure is said in the dialog. */
async function act(button, says, work) {
  button.disabled = true;
  says.className = "dialog-says";
  says.textContent = "";
  try {
    await work();
  } catch (failure) {
    says.className = "dialog-says error";
    says.textContent = failure instanceof Failure ? failure.message : `The page failed: ${failure.message}`;
    button.disabled = false;
  }
}

/** A new id for a fork of a thread. */
function forkID(threadID) {
  const random = Array.from(crypto.getRandomValues(new Uint8Array(3)), (one) => one.toString(16).padStart(2, "0")).join("");
  return `${threadID}-fork-${random}`;
}

/** The Python that goes on from a checkpoint of a copy. */
function forkSnippet(threadID, row) {
  return `${pythonSaver()}graph = builder.compile(checkpointer=saver)\n${pythonConfig(threadID, row)}`
    + '# To change the state first:\n# config = graph.update_state(config, {"channel": "value"})\ngraph.invoke(None, config)\n';
}

/** Asks for the id of the copy, makes it, and says how to go on from the checkpoint there. */
function openFork(threadID, row) {
  const isInner = row.checkpoint_ns !== "";
  openDialog("Fork from here", (close) => {
    const says = sayPlace();
    const field = el("input", { class: "field mono", id: "fork-id", type: "text", value: forkID(threadID), spellcheck: "false", autocomplete: "off", "data-first": "" });
    const snippet = el("div", {});
    const show = () => clear(snippet, codeBox(forkSnippet(field.value, row)));
    field.addEventListener("input", () => {
      submit.disabled = field.value === "";
      show();
    });
    const submit = el("button", { class: "button primary", type: "submit", text: "Copy the thread" });
    const buttons = dialogButtons(closeButton(close), submit);
    const form = el("form", { class: "stack" },
      el("p", {}, "A fork is a copy of the whole thread under a new id, with its history and the same checkpoint ids. This thread stays as it is."),
      isInner ? el("p", { class: "sentence warn" }, "This checkpoint is one of a subgraph. ",
        "A graph goes on from its own checkpoints: choose the one of the graph around it.") : null,
      el("label", { for: "fork-id", text: "Id of the new thread" }), field,
      el("p", {}, "Once it is copied, this runs it from here, ", el("strong", { text: cutText(titleOf(row), 0, 80) }),
        row.step === null || row.step === undefined ? "" : ` at step ${row.step}`, ", and leaves aside what came after:"), snippet, says, buttons);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(submit, says, async () => {
        await post("/checkpoints/copy-thread", { source_thread_id: threadID, target_thread_id: field.value });
        announce("The thread was copied.");
        field.readOnly = true;
        says.className = "dialog-says sentence ok";
        clear(says, "Copied. ", el("a", { href: checkpointAddress(field.value, row), text: "Open this checkpoint in the new thread" }));
        clear(buttons, closeButton(close, "Close"));
        says.querySelector("a").focus();
      });
    });
    show();
    return form;
  });
}

/** What a prune would take, or took, in words. */
function pruneWords(report, keep) {
  const kept = report.threads?.[0]?.kept ?? 0;
  if (report.threads?.[0]?.held) return "This thread is held: nothing of it can go.";
  if (Number(report.checkpoints) === 0 && Number(report.blobs) === 0 && Number(report.writes) === 0) {
    return `Nothing goes: there are no more than ${count(keep, "checkpoint")} in a namespace. ${count(kept, "checkpoint")} stay.`;
  }
  return `${count(report.checkpoints, "checkpoint")}, ${count(report.writes, "write")} and ${count(report.blobs, "value")} go: ${bytes(report.bytes)} stored. `
    + `${count(kept, "checkpoint")} ${Number(kept) === 1 ? "stays" : "stay"}.`;
}

/** Asks how many checkpoints to keep, shows what goes as that changes, and prunes. */
function openPrune(threadID) {
  openDialog("Prune this thread", (close) => {
    const [says, words] = [sayPlace(), el("p", { class: "sentence preview", role: "status", text: "…" })];
    const field = el("input", { class: "field", id: "prune-keep", type: "number", min: "1", max: "1000000", step: "1", value: "10", "data-first": "" });
    const submit = el("button", { class: "button danger", type: "submit", text: "Prune", disabled: true });
    const body = (isDry) => ({ thread_ids: [threadID], strategy: "keep_latest", keep_last: Number(field.value), dry_run: isDry });
    let turn = 0;
    const show = async () => {
      const mine = ++turn;
      submit.disabled = true;
      if (!/^\d+$/.test(field.value) || Number(field.value) < 1) return void (words.textContent = "Keep at least one checkpoint.");
      try {
        const { json } = await post("/checkpoints/prune", body(true));
        if (mine !== turn) return;
        words.textContent = pruneWords(json, Number(field.value));
        submit.disabled = json.threads?.[0]?.held === true || (Number(json.checkpoints) === 0 && Number(json.blobs) === 0 && Number(json.writes) === 0);
      } catch (failure) {
        if (mine === turn) words.textContent = failure.message;
      }
    };
    const soon = debounced(200, show);
    field.addEventListener("input", () => {
      turn += 1;
      submit.disabled = true;
      soon();
    });
    const form = el("form", { class: "stack" },
      el("p", {}, "Older checkpoints go for good. The graph itself and each run of a subgraph (a namespace) keep their newest ones, ",
        "and what those need of older ones: open interrupts and delta channels stay as they are."),
      el("label", { class: "row", for: "prune-keep" }, "Keep the newest", field, "checkpoints of each namespace"), words, says,
      dialogButtons(closeButton(close), submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (submit.disabled) return;
      act(submit, says, async () => {
        const { json } = await post("/checkpoints/prune", body(false));
        close();
        announce(`Pruned. ${pruneWords(json, Number(field.value))}`);
        showAgain();
      });
    });
    show();
    return form;
  });
}

/** Says what goes, and deletes the thread when its id was typed. */
function openDelete(threadID) {
  openDialog("Delete this thread", (close) => {
    const says = sayPlace();
    const what = el("p", { class: "sentence bad", role: "status", text: "…" });
    const goes = (figures) => `${count(figures.checkpoints, "checkpoint")}, ${count(figures.writes, "write")} and ${count(figures.blobs, "value")}`;
    get(threadPath(threadID)).then(
      ({ json }) => (what.textContent = `${goes(json)} go for good: ${bytes(json.bytes)} stored.`),
      (failure) => (what.textContent = failure.message));
    const field = el("input", { class: "field mono", id: "delete-id", type: "text", autocomplete: "off", spellcheck: "false" });
    const submit = el("button", { class: "button danger", type: "submit", text: "Delete", disabled: true });
    // A field of one line makes spaces of line ends: white space is left out of what is compared.
    const typed = (text) => text.replace(/\s+/g, "");
    field.addEventListener("input", () => (submit.disabled = typed(field.value) !== typed(threadID) || threadID === ""));
    const form = el("form", { class: "stack" }, what,
      el("p", {}, "The thread ", el("strong", { class: "mono typed-id", text: threadID }), " cannot be brought back. Agents that go on with it begin anew."),
      el("label", { for: "delete-id", text: "Type the thread's id to delete it" }), field, says, dialogButtons(closeButton(close, "Cancel", true), submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (submit.disabled) return;
      act(submit, says, async () => {
        await post("/checkpoints/delete-thread", { thread_id: threadID });
        close();
        announce("The thread was deleted.");
        navigate("#/");
      });
    });
    return form;
  });
}

/** Buttons for what is on the screen: a checkpoint (with a row), a thread (without), or the threads (without either). */
function actionsFor(thread, row = null) {
  const threadID = thread?.thread_id ?? null;
  const button = (text, click, style = "") => el("button", { class: `button ${style}`.trim(), type: "button", text, on: { click } });
  const group = el("div", { class: "row actions", role: "group", "aria-label": "Actions" });
  if (row && can("write")) group.append(button("Fork from here…", () => openFork(threadID, row)));
  if (threadID !== null && !row && can("delete")) {
    group.append(button("Prune…", () => openPrune(threadID)), button("Delete…", () => openDelete(threadID), "danger"));
  }
  group.append(button("curl", () => openSnippets(threadID, row, "curl"), "plain"), button("Python", () => openSnippets(threadID, row, "Python"), "plain"));
  return group;
}
