"""LangGraph graphs on both savers: what a random graph does not happen to have."""

import asyncio
import operator
import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import graphs
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from checkpoints import config_of
from langgraph.checkpoint.milepost import AsyncMilepostSaver, ConflictError, MilepostSaver

try:
    from langgraph.channels import DeltaChannel
except ImportError:
    DeltaChannel = None

needs_delta_channels = pytest.mark.skipif(DeltaChannel is None, reason="this edition of LangGraph has no DeltaChannel")


class Colour(str, Enum):
    """An enum of strings."""

    RED = "red"


@dataclass
class Part:
    """A dataclass."""

    name: str
    colour: Colour


class Order(BaseModel):
    """A model with a dataclass in it."""

    parts: list[Part]


class Typed(TypedDict):
    """A state of a program's own types."""

    colour: Colour
    part: Part
    order: Order
    seen: Annotated[list[str], operator.add]


class Played:
    """A graph on a saver, called the way of the saver's surface."""

    def __init__(self, builder, surface, thread_id):
        self.surface = surface
        self.graph = builder.compile(checkpointer=surface.saver)
        self.config = {"configurable": {"thread_id": thread_id}}

    def __getattr__(self, name):
        if type(self.surface).__name__ == "Surface":
            return getattr(self.graph, name)
        method = getattr(self.graph, f"a{name}")
        return lambda *arguments, **options: self.surface._run(method(*arguments, **options))

    def state(self, config=None):
        """What is worth comparing of a state."""
        return graphs.summary(self.get_state(config or self.config))

    def history(self):
        """All states, newest first."""

        async def collect():
            return [state async for state in self.graph.aget_state_history(self.config)]

        if type(self.surface).__name__ == "Surface":
            return list(self.graph.get_state_history(self.config))
        return self.surface._run(collect())


@pytest.fixture
def play(surface, thread_id):
    """A function that puts a graph on the saver under test."""
    return lambda builder, thread=thread_id: Played(builder, surface, thread)


def typed_graph():
    """Changes a part in place of a person, and asks one."""

    def paint(state):
        assert isinstance(state["part"], Part)
        assert isinstance(state["order"], Order)
        assert state["colour"] is Colour.RED
        return {"seen": [f"{state['part'].name} is {interrupt('Which colour?')}"]}

    graph = StateGraph(Typed)
    graph.add_node("wait", lambda state: {"seen": ["waited"]})
    graph.add_node("paint", paint)
    graph.add_edge(START, "wait")
    graph.add_edge("wait", "paint")
    return graph


PART = Part("bolt", Colour.RED)
TYPED = {"colour": Colour.RED, "part": PART, "order": Order(parts=[PART]), "seen": []}


def test_a_program_s_own_types_come_back(play):
    first = play(typed_graph())
    first.invoke(TYPED, first.config)
    result = play(typed_graph()).invoke(Command(resume="blue"), first.config)
    assert result == {**TYPED, "seen": ["waited", "bolt is blue"]}
    assert type(result["colour"]) is Colour


def test_a_tool_loop(play):
    builder = graphs.tool_loop()
    question = {"messages": [{"role": "user", "content": "6 × 7 × 100?", "id": "user-1"}]}
    expected = builder.compile(checkpointer=InMemorySaver())
    config = config_of("expected")
    expected.invoke(question, config)
    played = play(builder)
    played.invoke(question, played.config)
    assert played.state() == graphs.summary(expected.get_state(config))
    assert [graphs.summary(state) for state in played.history()] == [
        graphs.summary(state) for state in expected.get_state_history(config)
    ]


def test_an_interrupt_outlives_pruning(play, surface):
    played = play(graphs.approval())
    played.invoke({"item": "bolts", "answers": [], "status": "new"}, played.config)
    played.invoke(Command(resume=12), played.config)
    before = played.state()
    assert surface.prune([played.config["configurable"]["thread_id"]]).checkpoints > 0
    assert played.state() == {**before, "has_parent": played.state()["has_parent"]}
    result = played.invoke(Command(resume="yes"), played.config)
    assert result == {"item": "bolts", "answers": ["12", "yes"], "status": "ordered"}


def test_an_interrupt_in_a_subgraph_outlives_pruning(play, surface):
    played = play(graphs.asking_child())
    played.invoke({"name": "n", "steps": []}, played.config)
    surface.prune([played.config["configurable"]["thread_id"]])
    assert played.invoke(Command(resume="yes"), played.config)["done"] is True


def test_an_interrupted_fan_out_outlives_copying(play, surface, thread_id):
    played = play(graphs.fan_out())
    played.invoke({"numbers": [1, 2, 3, 4], "squares": [], "total": 0}, played.config)
    surface.copy_thread(thread_id, f"{thread_id}-copy")
    copy = play(graphs.fan_out(), f"{thread_id}-copy")
    assert copy.state() == played.state()
    assert copy.invoke(Command(resume="go"), copy.config)["total"] == 30
    assert played.invoke(Command(resume="go"), played.config)["total"] == 30


def delta_graph(steps, frequency=4):
    """Adds a word a step to a channel that stores what was added, not what there is."""

    def extend(state, writes):
        return [*(state or []), *(word for write in writes for word in write)]

    class Words(TypedDict):
        words: Annotated[list[str], DeltaChannel(extend, list, snapshot_frequency=frequency)]
        count: int

    def say(state):
        number = state.get("count", 0)
        return {"words": [f"word {number}"], "count": number + 1}

    graph = StateGraph(Words)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    graph.add_conditional_edges("say", lambda state: "say" if state["count"] % steps else END, ["say", END])
    return graph


@needs_delta_channels
@pytest.mark.parametrize("frequency", [1, 4, 1000])
def test_a_delta_channel(play, frequency):
    builder = delta_graph(10, frequency)
    expected, config = builder.compile(checkpointer=InMemorySaver()), config_of("expected")
    played = play(builder)
    for _ in range(2):
        expected.invoke({"words": ["start"]}, config)
        played.invoke({"words": ["start"]}, played.config)
    assert len(played.state()["values"]["words"]) == 22
    assert [graphs.summary(state) for state in played.history()] == [
        graphs.summary(state) for state in expected.get_state_history(config)
    ]


@needs_delta_channels
@pytest.mark.parametrize("frequency", [1, 4, 1000])
def test_pruning_keeps_a_delta_channel_s_value(play, surface, frequency):
    played = play(delta_graph(10, frequency))
    played.invoke({"words": ["start"]}, played.config)
    before = played.state()["values"]
    surface.prune([played.config["configurable"]["thread_id"]])
    assert played.state()["values"] == before
    played.invoke({"words": ["again"]}, played.config)
    assert played.state()["values"]["words"] == [*before["words"], "again", *(f"word {n}" for n in range(10, 20))]


def test_a_graph_that_refuses_forks_runs_as_any(open_surface, server, thread_id):
    surface = open_surface(server.base_url, refuse_forks=True)
    for builder, given, answers in (
        (graphs.counter(4), {"count": 0, "label": "", "trail": []}, []),
        (graphs.approval(), {"item": "bolts", "answers": [], "status": "new"}, [12, "yes"]),
        (graphs.fan_out(), {"numbers": [1, 2, 3], "squares": [], "total": 0}, ["go"]),
        (graphs.asking_child(), {"name": "n", "steps": []}, ["yes"]),
    ):
        for durability in ("sync", "async", "exit"):
            played = Played(builder, surface, f"{thread_id}-{id(builder)}-{durability}")
            played.invoke(given, played.config, durability=durability)
            for answer in answers:
                played.invoke(Command(resume=answer), played.config, durability=durability)
            assert played.state()["next"] == ()
            played.update_state(played.config, given)
            played.invoke(given, played.config, durability=durability)


def test_two_runs_of_one_thread_do_not_both_win(open_surface, server, thread_id):
    surface = open_surface(server.base_url, refuse_forks=True)

    class State(TypedDict):
        trail: Annotated[list[str], operator.add]

    quick = StateGraph(State).add_node("quick", lambda state: {}).add_edge(START, "quick")

    def slow(state):
        # Another program goes on from the same checkpoint and is done while this step runs.
        with MilepostSaver(server.base_url) as other:
            graph = quick.compile(checkpointer=other)
            graph.update_state(config_of(thread_id), {"trail": ["faster"]}, as_node="quick")
        return {"trail": ["slow"]}

    played = Played(StateGraph(State).add_node("slow", slow).add_edge(START, "slow"), surface, thread_id)
    with pytest.raises(ConflictError):
        played.invoke({"trail": ["start"]}, played.config, durability="sync")
    assert played.state()["values"] == {"trail": ["start", "faster"]}


def test_an_old_state_can_be_changed_and_gone_on_from(play):
    played = play(graphs.counter(3))
    played.invoke({"count": 0, "label": "start", "trail": []}, played.config)
    old = next(state for state in played.history() if state.values.get("count") == 1)
    fork = played.update_state(old.config, {"count": 2, "trail": ["changed"]})
    result = played.invoke(None, fork)
    assert result["trail"] == ["0→1", "changed", "2→3"]
    assert played.get_state(played.config).values == result


def test_metadata_of_a_run_can_be_searched_and_deleted(play, surface, thread_id):
    played = play(graphs.counter(3))
    for run in ("run-1", "run-2"):
        config = {
            "configurable": {"thread_id": thread_id, "run_id": f"{thread_id}-{run}"},
            "metadata": {"team": "blue"},
        }
        played.invoke({"count": 0, "label": "", "trail": []}, config)
    first = surface.list(None, filter={"run_id": f"{thread_id}-run-1", "team": "blue"})
    assert len(first) == 5
    surface.delete_for_runs([f"{thread_id}-run-2"])
    assert played.state()["values"]["trail"] == ["0→1", "1→2", "2→3"]


def test_a_blocking_look_from_a_worker_thread_while_an_asynchronous_graph_runs(server, thread_id):
    """What LangGraph's own programs do: `graph.get_state` in `asyncio.to_thread`, on an asynchronous saver."""

    async def run():
        async with AsyncMilepostSaver(server.base_url) as saver:
            graph = graphs.counter(3).compile(checkpointer=saver)
            config = config_of(thread_id)
            seen = []
            async for _ in graph.astream({"count": 0, "label": "", "trail": []}, config, durability="sync"):
                state = await asyncio.to_thread(graph.get_state, config)
                seen.append(state.values["count"])
            history = await asyncio.to_thread(lambda: list(graph.get_state_history(config)))
            return seen, len(history)

    seen, length = asyncio.run(run())
    assert seen == sorted(seen)
    assert length == 5


def test_langgraph_s_own_strict_mode(sqlite_server, thread_id):
    """With LANGGRAPH_STRICT_MSGPACK LangGraph hands the graph's types to the saver, and nothing else is revived."""
    program = """
import sys
from typing import Any
from typing_extensions import TypedDict
from langgraph.checkpoint.milepost import MilepostSaver
from langgraph.graph import START, StateGraph
from enum import Enum

class Named(Enum):
    ONE = 1

class Unnamed(Enum):
    TWO = 2

class State(TypedDict):
    named: Named
    unnamed: Any

graph = StateGraph(State).add_node("node", lambda state: {}).add_edge(START, "node")
with MilepostSaver(sys.argv[1]) as saver:
    compiled = graph.compile(checkpointer=saver)
    config = {"configurable": {"thread_id": sys.argv[2]}}
    compiled.invoke({"named": Named.ONE, "unnamed": Unnamed.TWO}, config)
    print(compiled.get_state(config).values)
"""
    environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"}
    command = [sys.executable, "-c", program, sqlite_server.base_url, thread_id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    strict = hasattr(MilepostSaver, "with_allowlist")
    assert done.stdout.strip() == f"{{'named': <Named.ONE: 1>, 'unnamed': {'2' if strict else '<Unnamed.TWO: 2>'}}}"


class Nothing(TypedDict):
    """A state of anything."""

    value: Any


@pytest.mark.parametrize("value", [{1: "a", None: "b"}, (1, (2,)), {"set": {1}}, b"", bytearray(b"1"), 2**70, ...])
def test_odd_values_are_as_in_memory(play, value):
    builder = StateGraph(Nothing).add_node("node", lambda state: {"value": value}).add_edge(START, "node")
    expected = outcome(builder.compile(checkpointer=InMemorySaver()), config_of("expected"))
    played = play(builder)
    assert outcome(played, played.config) == expected


def outcome(graph, config):
    """The state after a run, or what kind of error there was."""
    try:
        graph.invoke({"value": None}, config)
    except (TypeError, ValueError, OverflowError) as error:
        return type(error)
    return repr(graph.get_state(config).values)
