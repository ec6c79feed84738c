"""Random graphs and sessions: every saver gives what LangGraph's InMemorySaver gives, in every state on the way.

MILEPOST_SEED repeats a run; MILEPOST_GRAPHS says how many graphs there are in one.
"""

import asyncio
import os
import uuid

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langgraph.checkpoint.milepost import AsyncMilepostSaver, MilepostSaver
from randomgraphs import RandomGraph, Session

GRAPHS = int(os.environ.get("MILEPOST_GRAPHS", "30"))


def blocking(graph):
    """Calls a graph's blocking methods."""

    def call(name, *arguments, **options):
        result = getattr(graph, name)(*arguments, **options)
        return list(result) if name == "get_state_history" else result

    return call


def awaiting(graph, runner):
    """Calls a graph's asynchronous methods, all on one loop."""

    async def collected(items):
        return [item async for item in items]

    def call(name, *arguments, **options):
        result = getattr(graph, f"a{name}")(*arguments, **options)
        return runner.run(collected(result) if name == "get_state_history" else result)

    return call


def played(seed, saver, runner=None, **limits):
    """What one session sees on one saver; the graph is made anew, for some nodes remember how often they ran."""
    graph = RandomGraph(seed, exact=limits.get("exact", True))
    compiled = graph.builder.compile(checkpointer=saver)
    call = awaiting(compiled, runner) if runner else blocking(compiled)
    travel = limits.get("time_travel", True)
    return Session(seed, graph, call, f"random-{uuid.uuid4().hex}", time_travel=travel).run()


def compare(seed, found, expected):
    """Fails at the first thing that was seen differently, and says where."""
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert repr(one) == repr(other), f"seed {seed!r}, step {number}"
    assert len(found) == len(expected), f"seed {seed!r}"
    assert len(expected) > 10


@pytest.mark.parametrize("number", range(GRAPHS))
def test_the_blocking_saver(server, seed, number):
    one = f"{seed}-{number}"
    with MilepostSaver(server.base_url) as saver:
        compare(one, played(one, saver), played(one, InMemorySaver()))


@pytest.mark.parametrize("number", range(GRAPHS))
def test_the_asynchronous_saver(server, seed, number):
    one = f"{seed}-{number}"
    with asyncio.Runner() as runner:
        expected = played(one, InMemorySaver(), runner)
        saver = AsyncMilepostSaver(server.base_url)
        compare(one, played(one, saver, runner), expected)
        runner.run(saver.aclose())


@pytest.mark.parametrize("number", range(GRAPHS))
def test_the_released_agentex_saver(server, seed, number):
    """Its lists have no blobs and no writes, and history and time travel are made of lists; strings with NUL, floats
    beyond 1e15 and the like it writes into JSON. Both are left out. Everything else must be the same."""
    import agentex
    from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver

    limits = {"exact": False, "time_travel": False}
    one = f"{seed}-{number}"
    with asyncio.Runner() as runner:
        client = agentex.AsyncAgentex(base_url=server.base_url, max_retries=0)
        expected = played(one, InMemorySaver(), runner, **limits)
        compare(one, played(one, HttpCheckpointSaver(client), runner, **limits), expected)
        runner.run(client.close())


def test_the_sessions_do_what_they_are_for():
    """Random as they are, twenty of them have all of it."""
    seen = [played(f"coverage-{number}", InMemorySaver()) for number in range(20)]
    text = repr(seen)
    kinds = {step[0] for session in seen for step in session}
    assert kinds == {"result", "state", "history", "raised"}
    words = ("FirstRunError", "'asks'", "'source': 'update'", "'child_log'", "'rare_words'", "after all")
    assert all(word in text for word in words)
    assert all(f"('result', '{durability}'" in text for durability in ("sync", "async", "exit"))
