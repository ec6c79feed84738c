"""GET /threads/{id}/events from outside: what an agent does is told as it happens, and once."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.types import Command

import graphs
import load
from conftest import store_url
from events import Agent, Follower, Refused, names
from server import binary_path, wait_until
from wire import connect, head

KINDS = ("memory", "sqlite", "postgres")


@pytest.fixture(params=KINDS)
def server(request, start_server, tmp_path):
    return start_server(store_url(request.param, tmp_path), "--request-timeout", "2")


def test_each_change_is_told_in_its_order(server, thread_id):
    agent = Agent(server, thread_id)
    with Follower(server, thread_id) as follower:
        assert follower.retry == 1000
        assert follower.headers["content-type"] == "text/event-stream"
        assert follower.headers["cache-control"] == "no-store" and follower.headers["x-accel-buffering"] == "no"
        assert follower.events[0].data == {
            "thread_id": thread_id, "created": None, "updated": None, "checkpoints": 0, "writes": 0, "blobs": 0,
            "bytes": 0, "namespaces": [],
        }
        agent.put("c1", metadata={"source": "input", "step": -1})
        agent.write("c1", "t1", "a")
        agent.write("c1", "t1", "__interrupt__", idx=-3)
        agent.put("c2", parent_checkpoint_id="c1", metadata={"source": "loop", "step": 0})
        agent.put("c3", namespace="child:1")
        agent.do("prune", thread_ids=[thread_id], strategy="keep_latest")
        agent.do("delete-thread", thread_id=thread_id)
        agent.put("c9")
        follower.wait_for_told([
            ("thread", ""), ("checkpoint", "c1"), ("writes", "c1"), ("writes", "c1"), ("checkpoint", "c2"),
            ("checkpoint", "c3"), *([("pruned", "")] if ("pruned", "") in follower.told() else []), ("deleted", ""),
            ("checkpoint", "c9"),
        ])
        found = follower.events
        assert found[1].data == {
            "checkpoint_ns": "", "checkpoint_id": "c1", "parent_checkpoint_id": None, "source": "input", "step": -1,
        }
        assert found[2].data == {
            "checkpoint_ns": "", "checkpoint_id": "c1", "interrupt": False,
            "tasks": [{"task_id": "t1", "channels": ["a"], "writes": 1}],
        }
        assert found[3].data["interrupt"] and found[3].data["tasks"][0]["channels"] == ["__interrupt__"]
        assert found[4].data["parent_checkpoint_id"] == "c1" and found[4].data["step"] == 0
        assert found[5].place == ("child:1", "c3")
        assert all(event.id for event in found)
    assert f"/threads/{thread_id}" not in server.log_text()


@pytest.mark.parametrize("name", ["tool_loop", "approval", "fan_out", "asking_child"])
def test_a_graph_is_followed(server, thread_id, name):
    """Exactly the checkpoints and the writes that the thread has at the end, each once, in the order of their making."""
    builder, start, answers = {
        "tool_loop": (graphs.tool_loop, {"messages": [("user", "go")]}, ()),
        "approval": (graphs.approval, {"item": "bolts", "answers": [], "status": "new"}, (12, "yes")),
        "fan_out": (graphs.fan_out, {"numbers": list(range(12)), "squares": [], "total": 0}, ("go",)),
        "asking_child": (graphs.asking_child, {"name": "n", "steps": [], "done": False}, ("now",)),
    }[name]

    async def run():
        async with AsyncAgentex(base_url=server.base_url, max_retries=0) as client:
            graph = builder().compile(checkpointer=HttpCheckpointSaver(client))
            for given in (start, *map(lambda answer: Command(resume=answer), answers)):
                await graph.ainvoke(given, {"configurable": {"thread_id": thread_id}})

    with Follower(server, thread_id) as follower:
        asyncio.run(run())
        body = {"thread_id": thread_id, "limit": 1000, "include": ["pending_writes"]}
        status, stored = load.Client(server.port).post("list", body)
        assert status == 200 and stored
        follower.wait_for(
            lambda came: {e.place for e in came if e.name == "checkpoint"}
            >= {(item["checkpoint_ns"], item["checkpoint_id"]) for item in stored},
            "every checkpoint was told",
        )
        time.sleep(0.3)  # Whatever is told too often comes now.
        put = [event for event in follower.events if event.name == "checkpoint"]
        assert len(put) == len(stored)
        for event in put:
            [item] = [i for i in stored if (i["checkpoint_ns"], i["checkpoint_id"]) == event.place]
            assert event.data["parent_checkpoint_id"] == item["parent_checkpoint_id"]
            assert event.data["source"] == item["metadata"]["source"] and event.data["step"] == item["metadata"]["step"]
        for namespace in {event.place[0] for event in put}:
            ids = [event.place[1] for event in put if event.place[0] == namespace]
            assert ids == sorted(ids)
        expected = {
            (item["checkpoint_ns"], item["checkpoint_id"], write["task_id"], write["channel"])
            for item in stored for write in item["pending_writes"]
        }
        told = {
            (*event.place, task["task_id"], channel)
            for event in follower.events if event.name == "writes" for task in event.data["tasks"]
            for channel in task["channels"]
        }
        assert told == expected
        interrupts = [event for event in follower.events if event.name == "writes" and event.data["interrupt"]]
        assert bool(interrupts) == bool(answers)


def test_last_event_id_goes_on_where_it_ended(server, thread_id):
    agent = Agent(server, thread_id)
    agent.put("c1")
    with Follower(server, thread_id) as follower:
        agent.put("c2")
        agent.write("c2", "t1")
        follower.wait_for_told([("thread", ""), *names("c2"), ("writes", "c2")])
    agent.write("c2", "t2", "__interrupt__")
    agent.put("c3", namespace="late")
    agent.put("c2b")
    agent.put("c4")
    agent.write("c4")
    with Follower(server, thread_id, follower.last_id) as second:
        agent.put("c5")
        second.wait_for_told([
            ("thread", ""), ("writes", "c2"), *names("c2b", "c3", "c4"), ("writes", "c4"), ("checkpoint", "c5"),
        ])
        tasks = second.events[1].data
        assert tasks["interrupt"] and {task["task_id"] for task in tasks["tasks"]} == {"t1", "t2"}
        # An id comes only with the last of what was missed: who does not get it asks for all of that again.
        assert [bool(event.id) for event in second.events] == [False, False, False, False, False, True, True]
    with Follower(server, thread_id, second.last_id) as third:
        assert third.told() == [("thread", "")] and not third.events[0].id
        agent.put("c6")
        third.wait_for_told([("thread", ""), *names("c6")])
    agent.do("delete-thread", thread_id=thread_id)
    agent.put("c7")
    with Follower(server, thread_id, third.last_id) as fourth:
        fourth.wait_for_told([("thread", ""), ("deleted", ""), *names("c7")])
    with Follower(server, thread_id, "nonsense") as fifth:
        assert fifth.told() == [("missed", ""), ("thread", "")]


def test_nothing_is_missed_or_told_twice_while_followers_come_and_go(server, thread_id):
    """One that reconnects again and again, each time with its last id, against an agent that never stops."""
    stop = threading.Event()
    put = []

    def work():
        agent = Agent(server, thread_id)
        while not stop.is_set():
            name = f"{len(put):06d}"
            agent.put(name)
            agent.write(name)
            put.append(name)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        last, told = "", []
        for _ in range(25):
            count = len(told)
            with Follower(server, thread_id, last or None) as follower:
                if not last:
                    namespaces = follower.events[0].data["namespaces"]
                    told.append(namespaces[0]["head"] if namespaces else None)
                follower.wait_for(lambda came: len(came) > 12, "some events")
            last = follower.last_id
            came = follower.events
            # What has no id behind it will come again.
            while came and not came[-1].id:
                came.pop()
            told += [event.data["checkpoint_id"] for event in came if event.name == "checkpoint"]
            assert len(told) > count
    finally:
        stop.set()
        worker.join()
    first, told = told[0], told[1:]
    told = [name for name in told if first is None or name > first]
    assert told == put[put.index(told[0]):put.index(told[-1]) + 1], "a gap, or one twice"
    assert first is None or int(told[0]) <= int(first) + 1


def test_the_request_timeout_is_not_for_streams(server, thread_id):
    with Follower(server, thread_id) as follower:
        time.sleep(5)
        Agent(server, thread_id).put("c1")
        follower.wait_for_told([("thread", ""), *names("c1")])
        assert not follower.has_ended.is_set()


def test_a_server_that_ends_ends_its_streams_at_once(server, thread_id):
    with contextlib.ExitStack() as stack:
        followers = [stack.enter_context(Follower(server, thread_id)) for _ in range(20)]
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 1.5
        assert all(follower.has_ended.wait(1) for follower in followers)


def sockets_of(server):
    """How many sockets the process has."""
    links = (f"/proc/{server.process.pid}/fd/{name}" for name in os.listdir(f"/proc/{server.process.pid}/fd"))
    found = 0
    for link in links:
        with contextlib.suppress(OSError):
            found += os.readlink(link).startswith("socket:")
    return found


def test_two_hundred_follow_one_thread_and_go(server, thread_id):
    """All are told the same, and nothing of them is left when they have gone."""
    before = sockets_of(server)
    agent = Agent(server, thread_id)
    for _ in range(3):
        with ThreadPoolExecutor(20) as pool:
            followers = list(pool.map(lambda _: Follower(server, thread_id), range(200)))
        ids = [f"{time.time_ns()}-{number}" for number in range(5)]
        for name in ids:
            agent.put(name)
        for follower in followers:
            follower.wait_for(lambda came: len(came) >= 6, "every change")
            assert follower.told("checkpoint") == names(*ids)
        for follower in followers:
            follower.close()
        wait_until(lambda: sockets_of(server) <= before + 8, 5, "the connections are closed")


def test_there_are_a_thousand_streams_at_most_and_places_come_back(start_server, thread_id):
    server = start_server("memory:")
    with ThreadPoolExecutor(20) as pool:
        followers = list(pool.map(lambda _: Follower(server, thread_id, wait=False), range(1000)))
    with pytest.raises(Refused) as refused:
        Follower(server, thread_id)
    assert refused.value.status == 503 and refused.value.headers["retry-after"] == "5"
    assert b"streams of events" in refused.value.body
    # Other calls go on.
    Agent(server, thread_id).put("c1")
    for follower in followers[:10]:
        follower.wait_for(lambda came: "checkpoint" in [event.name for event in came], "the change")
    for follower in followers:
        follower.close()

    def is_free():
        with contextlib.suppress(Refused):
            Follower(server, thread_id).close()
            return True

    wait_until(is_free, 5, "a place is free again")


def test_a_copy_is_told_as_a_thread(server, thread_id):
    agent = Agent(server, thread_id)
    agent.put("c1")
    with Follower(server, f"{thread_id}-copy") as follower:
        agent.do("copy-thread", source_thread_id=thread_id, target_thread_id=f"{thread_id}-copy")
        follower.wait_for_told([("thread", ""), ("thread", "")])
        assert follower.events[1].data["checkpoints"] == 1


def test_events_are_told_to_slow_readers_as_far_as_they_read(start_server, thread_id):
    """One that reads nothing for a while gets everything that it missed, or is told that it did."""
    server = start_server("memory:")
    with Follower(server, thread_id) as quick:
        with connect(server.port) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(head("GET", f"/threads/{thread_id}/events", {"host": "localhost"}))
            assert b"200 OK" in slow.recv(64)
            agent = Agent(server, thread_id)
            for number in range(900):
                agent.put(f"{number:05d}", parent_checkpoint_id="p" * 2000)
            quick.wait_for(lambda came: came[-1].data.get("checkpoint_id") == "00899", "the last")
            assert len(quick.told("checkpoint")) == 900
            text = b""
            slow.settimeout(10)
            while b'"checkpoint_id":"00899"' not in text:
                text += slow.recv(65536)
    found = [line.split(b'"checkpoint_id":"')[1][:5] for line in text.split(b"\n") if b'"checkpoint_id":"' in line]
    assert found == [b"%05d" % number for number in range(900)]


def test_the_command_prints_what_comes_and_goes_on_after_a_break(start_server, sqlite_store, thread_id):
    server = start_server(sqlite_store)
    command = [binary_path(), "follow", server.base_url, thread_id]
    lines = {"--json": [], "plain": []}

    def read(process, into):
        for line in process.stdout:
            into.append(line.rstrip("\n"))

    with contextlib.ExitStack() as stack:
        for way, into in lines.items():
            options = [way] if way != "plain" else []
            process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            stack.callback(process.wait, 5)
            stack.callback(process.terminate)
            threading.Thread(target=read, args=(process, into), daemon=True).start()
        wait_until(lambda: all(lines.values()), 10, "the thread is shown")
        Agent(server, thread_id).put("c1", metadata={"source": "loop", "step": 3})
        Agent(server, thread_id).write("c1", channel="a")
        wait_until(lambda: all(len(into) >= 3 for into in lines.values()), 5, "the changes are shown")
        server.restart()
        Agent(server, thread_id).put("c2", namespace="child:1")
        wait_until(lambda: all(len(into) >= 5 for into in lines.values()), 10, "the next is shown")
    assert lines["plain"] == [
        "thread  0 checkpoints", "checkpoint  c1  loop  3", "writes  c1  a", "thread  1 checkpoints",
        "checkpoint  c2  in child:1",
    ] or lines["plain"][3] == "thread  2 checkpoints"
    found = [json.loads(line) for line in lines["--json"]]
    assert [event["event"] for event in found] == ["thread", "checkpoint", "writes", "thread", "checkpoint"]
    assert found[4]["data"]["checkpoint_id"] == "c2" and found[4]["id"]


def test_the_command_says_what_is_wrong():
    for arguments, code, words in (
        ([], 64, "give one thread"), (["http://127.0.0.1:1", "t"], 1, "127.0.0.1:1"), (["a", "b"], 64, "give one thread"),
    ):
        ended = subprocess.run([binary_path(), "follow", *arguments], capture_output=True, text=True, timeout=20)
        assert ended.returncode == code and words in ended.stderr and len(ended.stderr.splitlines()) == 1
