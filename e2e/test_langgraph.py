"""LangGraph graphs through the released HttpCheckpointSaver, against the same graphs on LangGraph's InMemorySaver.

A scenario drives a graph and looks at its state on the way. It runs twice, once on each saver, and must see the same
both times. On SQLite the server is stopped and started wherever a scenario pauses: the state must survive that too.
"""

import asyncio
import uuid
from collections import Counter

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import graphs
from conftest import STORES, store_url
from server import Server


class Run:
    """One run of a scenario: a saver, a thread, and the states seen so far."""

    def __init__(self, saver, between_steps=lambda: None):
        self.saver = saver
        self.thread_id = f"langgraph-{uuid.uuid4().hex}"
        self.config = {"configurable": {"thread_id": self.thread_id}}
        self.pause = between_steps
        self.states = []

    def compile(self, builder):
        return builder.compile(checkpointer=self.saver)

    async def look(self, graph, config=None, **options):
        """Pauses, then takes down the graph's state and gives it back."""
        self.pause()
        snapshot = await graph.aget_state(config or self.config, **options)
        self.states.append(graphs.summary(snapshot))
        return snapshot


@pytest.fixture(scope="module", params=STORES)
def own_server(request, tmp_path_factory):
    """A server that the tests of this module may restart."""
    directory = tmp_path_factory.mktemp(f"langgraph-{request.param}")
    running = Server(store_url(request.param, directory), directory).start()
    yield running
    running.stop()


@pytest.fixture
def compare(own_server):
    """Runs a scenario on both savers and checks that it saw the same; gives what it returned."""
    survives = own_server.store != "memory:"

    async def on_server(scenario):
        async with AsyncAgentex(base_url=own_server.base_url, max_retries=0) as client:
            saver = HttpCheckpointSaver(client)
            run = Run(saver, own_server.restart if survives else lambda: None)
            return await scenario(run), run.states

    async def in_memory(scenario):
        run = Run(InMemorySaver())
        return await scenario(run), run.states

    def both(scenario):
        expected, expected_states = asyncio.run(in_memory(scenario))
        found, found_states = asyncio.run(on_server(scenario))
        assert expected_states, "a scenario that looks at nothing compares nothing"
        assert found_states == expected_states
        assert found == expected
        return found

    return both


def test_tool_loop(compare):
    async def scenario(run):
        graph = run.compile(graphs.tool_loop())
        question = {"role": "user", "content": "6 × 7 × 100?", "id": "user-1"}
        await graph.ainvoke({"messages": [question]}, run.config)
        snapshot = await run.look(graph)
        again = {"role": "user", "content": "Thank you.", "id": "user-2"}
        await graph.ainvoke({"messages": [again]}, run.config)
        await run.look(graph)
        return [(message.type, message.content) for message in snapshot.values["messages"]]

    messages = compare(scenario)
    assert [kind for kind, _ in messages] == ["human", "ai", "tool", "tool", "ai", "tool", "ai"]
    assert messages[-1] == ("ai", "The product is 4200.")


def test_interrupt_and_resume(compare):
    async def scenario(run):
        graph = run.compile(graphs.approval())
        answers = [await graph.ainvoke({"item": "bolts", "answers": [], "status": "new"}, run.config)]
        for answer in (12, "yes"):
            await run.look(graph)
            answers.append(await graph.ainvoke(Command(resume=answer), run.config))
        await run.look(graph)
        asked = [[item.value["question"] for item in answer.get("__interrupt__", [])] for answer in answers]
        return asked, answers[-1]

    asked, last = compare(scenario)
    assert asked == [["How many?"], ["Order 12?"], []]
    assert last == {"item": "bolts", "answers": ["12", "yes"], "status": "ordered"}


def test_send_fan_out_with_an_interrupt_in_one_branch(compare):
    async def scenario(run):
        graph = run.compile(graphs.fan_out())
        await graph.ainvoke({"numbers": [1, 2, 3, 4, 5], "squares": [], "total": 0}, run.config)
        waiting = await run.look(graph)
        last = await graph.ainvoke(Command(resume="go"), run.config)
        await run.look(graph)
        return [bool(task.interrupts) for task in waiting.tasks], last

    waiting, last = compare(scenario)
    assert waiting == [False, False, True, False, False]
    assert last == {"numbers": [1, 2, 3, 4, 5], "squares": [1, 4, 9, 16, 25], "total": 55}


def test_wide_fan_out_keeps_its_order(compare):
    async def scenario(run):
        graph = run.compile(graphs.fan_out())
        numbers = [number for number in range(40) if number != 3]
        last = await graph.ainvoke({"numbers": numbers, "squares": [], "total": 0}, run.config)
        await run.look(graph)
        return last["squares"]

    assert compare(scenario) == [number * number for number in range(40) if number != 3]


def test_subgraph_with_a_memory_of_its_own(compare):
    async def scenario(run):
        graph = run.compile(graphs.remembering_child())
        for name in ("one", "two", "three"):
            last = await graph.ainvoke({"name": name}, run.config)
            await run.look(graph)
        child = await run.saver.aget_tuple({"configurable": {"thread_id": run.thread_id, "checkpoint_ns": "visit"}})
        namespaces = set()
        async for item in run.saver.alist({"configurable": {"thread_id": run.thread_id}}):
            namespaces.add(item.config["configurable"]["checkpoint_ns"])
        return last["seen"], child.checkpoint["channel_values"]["steps"], sorted(namespaces)

    seen, steps, namespaces = compare(scenario)
    assert seen == ["2 steps", "4 steps", "6 steps"]
    assert steps == [f"{name}-{step}" for name in ("one", "two", "three") for step in ("first", "second")]
    assert namespaces == ["", "visit"]


def test_interrupt_inside_a_subgraph(compare):
    async def scenario(run):
        graph = run.compile(graphs.asking_child())
        await graph.ainvoke({"name": "n", "steps": [], "done": False}, run.config)
        waiting = await run.look(graph, subgraphs=True)
        last = await graph.ainvoke(Command(resume="now"), run.config)
        await run.look(graph, subgraphs=True)
        return waiting.tasks[0].state.values["steps"], waiting.tasks[0].state.next, last

    steps, following, last = compare(scenario)
    assert (steps, following) == (["prepared"], ("confirm",))
    assert last == {"name": "n", "steps": ["prepared", "confirmed now"], "done": True}


def test_an_error_and_a_retry(compare):
    """After a failed superstep only the task that failed runs again: the other's writes were kept."""

    async def scenario(run):
        runs = Counter()
        graph = run.compile(graphs.flaky_pair(runs))
        with pytest.raises(graphs.Boom):
            await graph.ainvoke({"done": []}, run.config)
        failed = await run.look(graph)
        last = await graph.ainvoke(None, run.config)
        await run.look(graph)
        return sorted((task.name, bool(task.error)) for task in failed.tasks), last["done"], dict(runs)

    tasks, done, runs = compare(scenario)
    assert tasks == [("flaky", True), ("steady", False)]
    assert sorted(done) == ["flaky", "join", "start", "steady"]
    assert runs == {"steady": 1, "flaky": 2}


async def history(run, graph):
    """The thread's states, newest first, as the saver lists them."""
    return [snapshot async for snapshot in graph.aget_state_history(run.config)]


def test_history(compare):
    """Every state of a thread, each also in full by its own id.

    The Agentex saver's list brings neither blobs nor pending writes (the API has none in a list item), so a listed
    state has no values but primitives, and no finished or interrupted tasks; the first one, whose input is a blob, does
    not even know what is next. That much of a listed state is compared, and all of each state asked for by its id.
    """

    async def scenario(run):
        graph = run.compile(graphs.counter())
        await graph.ainvoke({"count": 0, "label": "start", "trail": []}, run.config)
        listed = []
        for snapshot in await history(run, graph):
            whole = await run.look(graph, snapshot.config)
            listed.append(
                {
                    "count": snapshot.values.get("count"),
                    "label": snapshot.values.get("label"),
                    "next": snapshot.next if snapshot.metadata["source"] != "input" else "unknown",
                    "step": snapshot.metadata["step"],
                    "source": snapshot.metadata["source"],
                    "is_the_same": whole.config == snapshot.config and whole.created_at == snapshot.created_at,
                }
            )
        return listed

    listed = compare(scenario)
    assert [state["step"] for state in listed] == [3, 2, 1, 0, -1]
    assert [state["count"] for state in listed] == [3, 2, 1, 0, None]
    assert all(state["is_the_same"] for state in listed)


def test_history_in_pages_and_filtered(compare):
    async def scenario(run):
        graph = run.compile(graphs.counter(limit=5))
        await graph.ainvoke({"count": 0, "label": "start", "trail": []}, run.config)
        await run.look(graph)
        steps, before = [], None
        while page := [item async for item in graph.aget_state_history(run.config, before=before, limit=2)]:
            steps.append([snapshot.metadata["step"] for snapshot in page])
            before = page[-1].config
        inputs = [
            snapshot.metadata["step"]
            async for snapshot in graph.aget_state_history(run.config, filter={"source": "input"})
        ]
        return steps, inputs

    assert compare(scenario) == ([[5, 4], [3, 2], [1, 0], [-1]], [-1])


def test_time_travel(compare):
    """Runs again from an older checkpoint: the thread forks there, and both branches stay."""

    async def scenario(run):
        graph = run.compile(graphs.counter())
        await graph.ainvoke({"count": 0, "label": "start", "trail": []}, run.config)
        before = await history(run, graph)
        older = next(snapshot.config for snapshot in before if snapshot.metadata["step"] == 1)
        await run.look(graph, older)
        last = await graph.ainvoke(None, older)
        await run.look(graph)
        after = await history(run, graph)
        for snapshot in after:
            await run.look(graph, snapshot.config)
        kept = {s.config["configurable"]["checkpoint_id"] for s in before}
        return last, len(after) - len(before), kept < {s.config["configurable"]["checkpoint_id"] for s in after}

    last, added, kept_all = compare(scenario)
    assert last == {"count": 3, "label": "at 3", "trail": ["0→1", "1→2", "2→3"]}
    assert added > 0 and kept_all


def test_fork(compare):
    """Changes an older state and goes on from there."""

    async def scenario(run):
        graph = run.compile(graphs.counter())
        await graph.ainvoke({"count": 0, "label": "start", "trail": []}, run.config)
        older = next(s.config for s in await history(run, graph) if s.metadata["step"] == 1)
        change = {"count": 10, "label": "forked", "trail": ["by hand"]}
        forked = await graph.aupdate_state(older, change, as_node="step")
        at_fork = await run.look(graph, forked)
        last = await graph.ainvoke(None, forked)
        await run.look(graph)
        source = at_fork.metadata["source"]
        parent, fork_base = (config["configurable"] for config in (at_fork.parent_config, older))
        parent_is_older = parent["checkpoint_id"] == fork_base["checkpoint_id"]
        return source, parent_is_older, last

    source, parent_is_older, last = compare(scenario)
    assert (source, parent_is_older) == ("update", True)
    assert last == {"count": 10, "label": "forked", "trail": ["0→1", "by hand"]}


def test_delete_thread(compare):
    async def scenario(run):
        graph = run.compile(graphs.approval())
        await graph.ainvoke({"item": "bolts", "answers": [], "status": "new"}, run.config)
        await run.look(graph)
        await run.saver.adelete_thread(run.thread_id)
        empty = await run.look(graph)
        return empty.values, [snapshot async for snapshot in graph.aget_state_history(run.config)]

    assert compare(scenario) == ({}, [])
