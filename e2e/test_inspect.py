"""The commands that ask a server, on threads that LangGraph wrote: what they print as text, on a terminal, as JSON."""

import asyncio
import json
import os
import pty
import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langchain_core.messages import HumanMessage
from langgraph.types import Command

import graphs
from server import binary_path, clean_environment

LIMIT = 60
COUNT = {"count": 0, "label": "", "trail": []}
ESCAPE = "\x1b"


def milepost(*arguments, environment=None):
    """Runs a command and gives what it printed and its exit code."""
    return subprocess.run(
        [binary_path(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=clean_environment(**(environment or {})),
    )


def printed(*arguments, environment=None):
    """What a command that succeeds prints."""
    done = milepost(*arguments, environment=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def as_json(*arguments):
    """The one JSON object that a command prints with --json."""
    lines = printed(*arguments, "--json").splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def on_terminal(*arguments, columns=80, environment=None):
    """What a command prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    os.set_inheritable(follower, True)
    subprocess.run(["stty", "cols", str(columns), "rows", "24"], stdin=follower, check=True)
    command = [binary_path(), *map(str, arguments)]
    variables = {"TERM": "xterm", **(environment or {})}
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=clean_environment(**variables)
    )
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        text += part
    os.close(leader)
    assert process.wait(LIMIT) == 0
    return text.decode().replace("\r\n", "\n")


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Thread:
    """A thread on the server, and the graph that writes it."""

    def __init__(self, server, builder, thread_id=None):
        self.url = server.base_url
        self.id = thread_id or f"inspect-{uuid.uuid4().hex}"
        self.config = {"configurable": {"thread_id": self.id}}
        self._builder = builder

    def run(self, *inputs):
        """Invokes the graph with each input, and gives the history of its states, newest first."""

        async def scenario(graph):
            for given in inputs:
                if callable(given):
                    await given(graph, self.config)
                else:
                    await graph.ainvoke(given, self.config)
            return [state async for state in graph.aget_state_history(self.config)]

        async def on_server():
            async with AsyncAgentex(base_url=self.url, max_retries=0) as client:
                return await scenario(self._builder.compile(checkpointer=HttpCheckpointSaver(client)))

        return asyncio.run(on_server())


@pytest.fixture
def approved(server):
    """A thread that was interrupted, resumed, and then forked from before the interrupt."""

    async def fork(graph, config):
        history = [state async for state in graph.aget_state_history(config)]
        asked = next(state for state in history if state.next == ("ask",))
        await graph.aupdate_state(asked.config, {"status": "asked by phone"})

    thread = Thread(server, graphs.approval())
    thread.history = thread.run({"item": "apples"}, Command(resume=3), Command(resume="yes"), fork)
    return thread


def ids(history):
    return [state.config["configurable"]["checkpoint_id"] for state in history]


def test_threads_are_listed_newest_change_first(server):
    first = Thread(server, graphs.counter())
    first.run(COUNT)
    second = Thread(server, graphs.counter(), f"a/b %é {uuid.uuid4().hex} {ESCAPE}[2J")
    second.run(COUNT)
    found = as_json("threads", server.base_url)["threads"]
    mine = [thread for thread in found if thread["thread_id"] in (first.id, second.id)]
    assert [thread["thread_id"] for thread in mine] == [second.id, first.id]
    updated = [thread["updated"] or "" for thread in found]
    assert updated == sorted(updated, reverse=True)
    assert all(thread["checkpoints"] > 2 and thread["bytes"] > 0 for thread in mine)
    assert all(thread["created"] < thread["updated"] for thread in mine)

    table = printed("threads", environment={"MILEPOST_URL": server.base_url})
    assert table.startswith("THREAD ")
    assert ESCAPE not in table and second.id.replace(ESCAPE, "\\u001b") in table
    newest = printed("threads", "--url", server.base_url, "--limit", 1).splitlines()
    assert len(newest) == (3 if len(found) > 1 else 2) and second.id.split()[2] in newest[1]


def test_all_pages_of_threads_are_read(start_server):
    server = start_server("memory:")
    count = 1_003
    with httpx.Client(base_url=server.base_url) as client:

        def put(number):
            body = {
                "thread_id": f"t-{number:05}",
                "checkpoint_ns": "",
                "checkpoint_id": f"{number:05}",
                "checkpoint": {"v": 4, "ts": "2026-01-02T03:04:05+00:00", "channel_values": {}, "channel_versions": {}},
                "metadata": {},
                "blobs": [],
            }
            client.post("/checkpoints/put", json=body).raise_for_status()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(count)))
    found = as_json("threads", server.base_url)["threads"]
    assert [thread["thread_id"] for thread in found] == [f"t-{number:05}" for number in range(count)]


def test_history_is_the_tree_that_langgraph_has(approved):
    (namespace,) = as_json("history", approved.url, approved.id)["namespaces"]
    checkpoints = namespace["checkpoints"]
    assert [checkpoint["checkpoint_id"] for checkpoint in checkpoints] == ids(approved.history)
    assert namespace["head"] == ids(approved.history)[0]
    for checkpoint, state in zip(checkpoints, approved.history, strict=True):
        parent = state.parent_config and state.parent_config["configurable"]["checkpoint_id"]
        assert checkpoint["parent_checkpoint_id"] == parent
        assert (checkpoint["step"], checkpoint["source"]) == (state.metadata["step"], state.metadata["source"])
        assert checkpoint["ts"] == state.created_at
    resumed = [checkpoint for checkpoint in checkpoints if checkpoint["interrupts"]]
    assert [checkpoint["resumed"] for checkpoint in resumed] == [True]
    assert [node for checkpoint in checkpoints for node in checkpoint["nodes"]] == ["finish", "ask"]

    lines = printed("history", approved.url, approved.id).splitlines()
    assert lines[0].split() == ["CHECKPOINT", "STEP", "SOURCE", "TIME", "NODES"]
    assert lines[1].startswith("●") and lines[1].endswith("head")
    assert "├─╯" in lines and any(line.endswith("interrupt, resumed") for line in lines)
    newest = printed("history", approved.url, approved.id, "--limit", 2)
    assert newest.count("●") == 2 and "parent not here" in newest


def test_history_has_the_namespaces_of_subgraphs(server):
    thread = Thread(server, graphs.asking_child())
    thread.run({"name": "a", "steps": []})
    namespaces = as_json("history", server.base_url, thread.id)["namespaces"]
    assert namespaces[0]["checkpoint_ns"] == "" and len(namespaces) > 1
    assert all(namespace["checkpoints"] for namespace in namespaces)
    text = printed("history", server.base_url, thread.id)
    assert text.startswith("namespace (root)\n") and f"namespace {namespaces[1]['checkpoint_ns']}\n" in text


def test_show_has_the_values_that_the_graph_has(server):
    thread = Thread(server, graphs.tool_loop())
    history = thread.run({"messages": [HumanMessage("6 times 7, times 100?", id="question")]})
    for state in history:
        config = state.config["configurable"]
        found = as_json("show", server.base_url, thread.id, "--checkpoint", config["checkpoint_id"])
        shown = found["state"].get("messages", [])
        assert [message["content"] for message in shown] == [m.content for m in state.values.get("messages", [])]
        assert [message["id"] for message in shown] == [m.id for m in state.values.get("messages", [])]
        assert found["metadata"] == state.metadata
    newest = printed("show", server.base_url, thread.id)
    assert 'content: "6 times 7, times 100?"' in newest or '"6 times 7, times 100?"' in newest
    assert "AIMessage" in newest and "ToolMessage" in newest and "response_metadata" not in newest
    assert "langchain_core.messages.ai.AIMessage" in printed("show", server.base_url, thread.id, "--full")


def test_show_has_open_interrupts_and_errors(server):
    thread = Thread(server, graphs.approval())
    thread.run({"item": "apples"})
    found = as_json("show", server.base_url, thread.id)
    assert [interrupt["$type"] for interrupt in found["interrupts"]] == ["langgraph.types.Interrupt"]
    assert all(write["task_path"] for write in found["pending_writes"] if write["channel"] == "__interrupt__")
    assert "\nINTERRUPTS\n" in printed("show", server.base_url, thread.id)
    assert printed("history", server.base_url, thread.id).splitlines()[1].endswith("head, interrupt")


def test_diff_is_what_a_step_did(approved):
    newest, *_ = ids(approved.history)
    by_default = as_json("diff", approved.url, approved.id)
    assert by_default == as_json("diff", approved.url, approved.id, newest)
    parent = by_default["from"]
    assert by_default == as_json("diff", approved.url, approved.id, parent, newest)
    assert {"path": "status", "change": "added", "after": "asked by phone"} in by_default["state"]
    assert as_json("diff", approved.url, approved.id, newest, newest)["state"] == []
    text = printed("diff", approved.url, approved.id)
    assert '+ status: "asked by phone"' in text.splitlines() and "~ source: " in text


def test_a_terminal_gets_colours_and_lines_that_fit(approved):
    shown = on_terminal("history", approved.url, approved.id, columns=100)
    assert f"{ESCAPE}[" in shown
    assert all(len(line) <= 100 for line in without_colours(shown).splitlines())
    assert without_colours(shown) == on_terminal(
        "history", approved.url, approved.id, columns=100, environment={"NO_COLOR": "1"}
    )
    for command in ("history", "threads"):
        thread = [approved.id] if command == "history" else ["--limit", "1"]
        narrow = without_colours(on_terminal(command, approved.url, *thread, columns=80))
        assert all(len(line) <= 80 for line in narrow.splitlines())
    for command in ("show", "diff"):
        narrow = without_colours(on_terminal(command, approved.url, approved.id, columns=60))
        assert all(len(line) <= 60 or approved.id in line for line in narrow.splitlines() if "  (" not in line)
    assert ESCAPE not in printed("history", approved.url, approved.id)


def test_what_a_value_would_tell_a_terminal_is_escaped(server):
    thread = Thread(server, graphs.tool_loop())
    thread.run({"messages": [HumanMessage(f"{ESCAPE}]0;title\x07\x9b2J\u202e", id="question")]})
    for command in (["show"], ["show", "--full"], ["show", "--json"], ["diff"], ["history"]):
        text = printed(command[0], server.base_url, thread.id, *command[1:])
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\u001b]0;title\\u0007\\u009b2J\\u202e" in printed("show", server.base_url, thread.id)


@pytest.mark.parametrize("command", [["history"], ["show"], ["diff"], ["show", "--checkpoint", "none"]])
def test_what_is_not_there_is_said_with_what_to_do(server, command):
    done = milepost(command[0], server.base_url, "no such thread", *command[1:])
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"milepost: no .*'no such thread'.*; 'milepost \w+' lists .*\n", done.stderr)


def test_a_namespace_that_is_not_there_is_said(approved):
    done = milepost("show", approved.url, approved.id, "--namespace", "none")
    assert done.returncode == 1 and "no namespace 'none'" in done.stderr and "milepost history" in done.stderr


def test_wrong_usage_is_64_and_no_server_is_1():
    for arguments in (["history"], ["threads", "localhost"], ["show", "a", "b"], ["diff", "--limit", "1", "a"]):
        done = milepost(*arguments)
        assert done.returncode == 64 and done.stderr.startswith("milepost: ")
    done = milepost("threads", "http://127.0.0.1:1")
    assert done.returncode == 1 and "connection refused" in done.stderr and "milepost serve" in done.stderr
