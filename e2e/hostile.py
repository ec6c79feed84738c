"""Content that attacks who looks at it: each text in every field that an agent can fill."""

import uuid
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt

from security import Caller, b64

# A port that nothing listens on: a request to it would be seen, and go nowhere.
ELSEWHERE = "http://127.0.0.1:9"
# What some of the texts make when a shell or Python takes them for a program.
TOUCHED = Path("/tmp/milepost-hit")
PAYLOADS = [
    "<script>window.hit=1</script>",
    "</script></style></textarea></title><script>window.hit=2</script>",
    "<img src=x onerror=window.hit=3>",
    "<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=4'><script>window.hit=4</script></svg>",
    f"<style>@import '{ELSEWHERE}/a.css';*{{display:none!important;background:url({ELSEWHERE}/b)}}</style>",
    f"<iframe srcdoc='<script>parent.hit=5</script>' src='{ELSEWHERE}/c'></iframe>",
    "<a href='javascript:window.hit=6'>press</a><form action=javascript:window.hit=6><button>go</button></form>",
    f"[press](javascript:window.hit=7) ![picture]({ELSEWHERE}/d.png) <{ELSEWHERE}/e>",
    "javascript:window.hit=8",
    "data:text/html,<script>window.hit=9</script>",
    "\" onfocus=window.hit=10 autofocus x=\"",
    "' onmouseover='window.hit=11' style='position:fixed;inset:0",
    "{{constructor.constructor('window.hit=12')()}}${window.hit=12}<%= window.hit=12 %>#{window.hit=12}",
    "&lt;img src=x onerror=window.hit=13&gt;&#x3c;script&#x3e;",
    "\u202egnp.exe\u2066 \u2068hidden\u2069 \u200b\ufeff zero",
    "__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "then",
    "../../inspector/caller", "?view=json&against=x#/thread/other", "%2e%2e%2f%00%0a",
    "line\r\nset-cookie: hit=14\r\n\r\n<script>window.hit=14</script>\x1b]0;title\x07\x01",
    "$(touch /tmp/milepost-hit)`touch /tmp/milepost-hit`'; touch /tmp/milepost-hit; '\"; touch /tmp/milepost-hit; \"\\",
    "\"\"\"\nimport os; os.system('touch /tmp/milepost-hit')\n\"\"\"\\",
    "w" * 690,
    "\U0001f9ed" * 60 + "z̴̡̛" * 40,
]
serde = JsonPlusSerializer()


def packed(value):
    """A value as LangGraph stores it."""
    kind, data = serde.dumps_typed(value)
    return {"type": kind, "blob": b64(data)}


def values(text):
    """The text wherever a value has one, in the shapes that the page has ways of its own for."""
    call = {"name": text, "args": {text: text, "__proto__": {"hit": True}}, "id": text, "type": "tool_call"}
    messages = [
        HumanMessage(text, id=f"1 {text}", name=text),
        AIMessage([{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": text}}], id=f"2 {text}"),
        AIMessage("", tool_calls=[call], id=f"3 {text}"),
        ToolMessage(text, tool_call_id=text, name=text, status="error", artifact={text: text}, id=f"4 {text}"),
    ]
    return {
        text: text,
        "messages": messages,
        "tree": {text: [text, {text: {text}}, text.encode()], "__proto__": {"hit": text}, "constructor": {"x": text}},
        "typed": uuid.UUID(int=5),
    }


def put(caller, thread, namespace, name, text, parent):
    """A checkpoint with that text in every field, and the writes of a task."""
    channels = values(text)
    versions = {channel: text if channel == text else f"{number}.{text}" for number, channel in enumerate(channels)}
    blobs = [{"channel": c, "version": versions[c], **packed(v)} for c, v in channels.items()]
    blobs += [{"channel": f"of a type: {text}"[:600], "version": "1", "type": text, "blob": b64(text.encode())}]
    versions[blobs[-1]["channel"]] = "1"
    document = {
        "v": 4, "id": name, "ts": "2026-11-26T00:00:00+00:00", "channel_versions": versions, text: text,
        "channel_values": {f"inline: {text}": text}, "versions_seen": {text: {text: text}},
    }
    metadata = {"source": text, "step": 1, "run_id": text, text: {text: text}, "writes": {text: text}}
    caller.do("put", {
        "thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": name, "parent_checkpoint_id": parent,
        "checkpoint": document, "metadata": metadata, "blobs": blobs,
    })
    task = {"task_id": text[:300], "task_path": f"~__pregel_pull, {text}"}
    question = Interrupt(value={text: text}, id=text)
    rows = {text: text, "__interrupt__": (question,), "__error__": text, "__resume__": text}
    caller.do("put-writes", {
        "thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": name,
        "writes": [{**task, "idx": number, "channel": channel, **packed(value)}
                   for number, (channel, value) in enumerate(rows.items())],
    })


def fill(server):
    """A thread a payload, whose id it is, with two checkpoints; gives the ids of the threads."""
    with Caller(server) as caller:
        for text in PAYLOADS:
            put(caller, text, "", f"1 {text}"[:300], text, None)
            put(caller, text, "", f"2 {text}"[:300], text[::-1], f"1 {text}"[:300])
            put(caller, text, text[:300], f"3 {text}"[:300], text, "not there")
    return PAYLOADS
