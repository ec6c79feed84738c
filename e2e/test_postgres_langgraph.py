"""One database under two savers at once: LangGraph's own PostgresSaver, and the released agentex saver over Milepost.

A scenario begins a thread with one of them, goes on with the other and back again, and must see at every step what the
same scenario sees on LangGraph's InMemorySaver. The database was made by LangGraph's setup(), or by Milepost.
"""

import asyncio
import contextlib
from collections import Counter

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command

import graphs
import postgres
from relay import Relay, checkpoint_id
from server import Server


@pytest.fixture(scope="module", params=["LangGraph", "Milepost"])
def shared(request, tmp_path_factory):
    """A server over a database that one of the two has made."""
    url = postgres.new_database()
    if request.param == "LangGraph":
        with PostgresSaver.from_conn_string(url) as saver:
            saver.setup()
    running = Server(url, tmp_path_factory.mktemp("shared")).start()
    yield running
    running.stop()


@pytest.fixture(params=["PostgresSaver first", "Milepost first"])
def compare(shared, request):
    """Runs a scenario on the two savers in turn, and on InMemorySaver; gives what it returned."""

    async def in_turn(scenario):
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncAgentex(base_url=shared.base_url, max_retries=0))
            own = await stack.enter_async_context(AsyncPostgresSaver.from_conn_string(shared.store))
            savers = [own, HttpCheckpointSaver(client)]
            relay = Relay(*(savers if request.param == "PostgresSaver first" else savers[::-1]))
            return await scenario(relay), relay.states

    async def in_memory(scenario):
        relay = Relay(InMemorySaver())
        return await scenario(relay), relay.states

    def both(scenario):
        expected, expected_states = asyncio.run(in_memory(scenario))
        found, found_states = asyncio.run(in_turn(scenario))
        assert expected_states, "a scenario that looks at nothing compares nothing"
        assert found_states == expected_states
        assert found == expected
        return found

    return both


# MARK: one thread, two savers


def test_interrupts_are_answered_through_the_other_saver(compare):
    async def scenario(relay):
        builder = graphs.approval()
        order = {"item": "bolts", "answers": [], "status": "new"}
        for given in (order, Command(resume=12), Command(resume="yes"), order, Command(resume=7), Command(resume="no")):
            answer = await relay.compile(builder).ainvoke(given, relay.config)
            await relay.look(builder)
        await relay.history(builder)
        return answer

    assert compare(scenario) == {"item": "bolts", "answers": ["12", "yes", "7", "no"], "status": "dropped"}


def test_a_fan_out_is_finished_through_the_other_saver(compare):
    """Four of five tasks have left pending writes when the thread changes hands."""

    async def scenario(relay):
        builder = graphs.fan_out()
        answers = []
        for _ in range(2):
            numbers = {"numbers": [1, 2, 3, 4, 5], "squares": [], "total": 0}
            await relay.compile(builder).ainvoke(numbers, relay.config)
            waiting = await relay.look(builder)
            answers.append([bool(task.interrupts) for task in waiting.tasks])
            last = await relay.compile(builder).ainvoke(Command(resume="go"), relay.config)
            await relay.look(builder)
            # The next round begins with the saver that this one ended with.
            relay.compile(builder)
        return answers, last["squares"], last["total"]

    waiting, squares, total = compare(scenario)
    assert waiting == [[False, False, True, False, False]] * 2
    assert (squares, total) == ([1, 4, 9, 16, 25] * 2, 110)


def test_an_error_is_recovered_from_through_the_other_saver(compare):
    """The task that worked is not run again: its pending writes came along."""

    async def scenario(relay):
        runs = Counter()
        builder = graphs.flaky_pair(runs)
        with pytest.raises(graphs.Boom):
            await relay.compile(builder).ainvoke({"done": []}, relay.config)
        failed = await relay.look(builder)
        last = await relay.compile(builder).ainvoke(None, relay.config)
        await relay.look(builder)
        return sorted((task.name, bool(task.error)) for task in failed.tasks), sorted(last["done"]), dict(runs)

    tasks, done, runs = compare(scenario)
    assert tasks == [("flaky", True), ("steady", False)]
    assert (done, runs) == (["flaky", "join", "start", "steady"], {"steady": 1, "flaky": 2})


def test_an_interrupt_in_a_subgraph_is_answered_through_the_other_saver(compare):
    async def scenario(relay):
        builder = graphs.asking_child()
        await relay.compile(builder).ainvoke({"name": "n", "steps": [], "done": False}, relay.config)
        await relay.look(builder, subgraphs=True)
        last = await relay.compile(builder).ainvoke(Command(resume="now"), relay.config)
        await relay.look(builder, subgraphs=True)
        return last

    assert compare(scenario) == {"name": "n", "steps": ["prepared", "confirmed now"], "done": True}


def test_a_subgraph_remembers_across_savers(compare):
    async def scenario(relay):
        builder = graphs.remembering_child()
        for name in ("one", "two", "three", "four"):
            last = await relay.compile(builder).ainvoke({"name": name}, relay.config)
            await relay.look(builder)
        return last["seen"]

    assert compare(scenario) == ["2 steps", "4 steps", "6 steps", "8 steps"]


def test_a_conversation_goes_on_through_the_other_saver(compare):
    async def scenario(relay):
        builder = graphs.tool_loop()
        for number, text in enumerate(("6 × 7 × 100?", "Thank you.", "Good bye.")):
            message = {"role": "user", "content": text, "id": f"user-{number}"}
            last = await relay.compile(builder).ainvoke({"messages": [message]}, relay.config)
            await relay.look(builder)
        await relay.history(builder)
        return [(message.type, message.content) for message in last["messages"]]

    assert len(compare(scenario)) == 11


def test_time_travel_to_a_state_of_the_other_saver(compare):
    """Forks at a state that the other saver wrote, by hand and by running again; every state stays as it was."""

    async def scenario(relay):
        builder = graphs.counter()
        await relay.compile(builder).ainvoke({"count": 0, "label": "start", "trail": []}, relay.config)
        listed = await relay.history(builder)
        older = listed[2]
        change = {"count": 10, "label": "forked", "trail": ["by hand"]}
        forked = await relay.compile(builder).aupdate_state(older, change, as_node="step")
        await relay.look(builder, forked)
        last = await relay.compile(builder).ainvoke(None, forked)
        await relay.compile(builder).ainvoke(None, older)
        after = await relay.history(builder)
        kept = {checkpoint_id(config) for config in listed} < {checkpoint_id(config) for config in after}
        return last, len(after), kept

    last, count, kept = compare(scenario)
    assert last == {"count": 10, "label": "forked", "trail": ["0→1", "by hand"]}
    assert count > 6 and kept


def test_a_thread_is_deleted_for_both(compare, shared):
    used = []

    async def scenario(relay):
        used.append(relay.thread_id)
        builder = graphs.approval()
        for _ in range(2):
            await relay.compile(builder).ainvoke({"item": "bolts", "answers": [], "status": "new"}, relay.config)
            await relay.look(builder)
            await relay.saver.adelete_thread(relay.thread_id)
            await relay.look(builder)
        return await relay.history(builder)

    assert compare(scenario) == []
    for table in postgres.TABLES:
        left = postgres.value(shared.store, f"SELECT count(*) FROM {table} WHERE thread_id = ANY(%s)", (used,))
        assert left == 0, f"{table} has rows of a thread that was deleted"
