"""Pruning while graphs run: what a run needs next is never taken from under it."""

import operator
import threading
from typing import Annotated, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from langgraph.checkpoint.milepost import MilepostSaver

TURNS = 12


class Inner(TypedDict):
    seen: Annotated[list, operator.add]


class State(TypedDict):
    seen: Annotated[list, operator.add]
    turn: int


def inner_graph():
    """A subgraph of two steps."""
    builder = StateGraph(Inner)
    builder.add_node("one", lambda state: {"seen": ["inner one"]})
    builder.add_node("two", lambda state: {"seen": [f"inner two of {len(state['seen'])}"]})
    builder.add_edge(START, "one").add_edge("one", "two").add_edge("two", END)
    return builder.compile()


def graph(saver):
    """Steps, a fan-out, a subgraph and a question, over and over."""

    def ask(state):
        return {"seen": [interrupt(f"question {state['turn']}")]}

    builder = StateGraph(State)
    builder.add_node("count", lambda state: {"turn": state["turn"] + 1, "seen": [f"turn {state['turn']}"]})
    builder.add_node("branch", lambda state: {"seen": [f"branch {state['number']}"]})
    builder.add_node("inner", inner_graph())
    builder.add_node("ask", ask)
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", lambda state: [Send("branch", {"number": n}) for n in range(3)], ["branch"])
    builder.add_edge("branch", "inner").add_edge("inner", "ask")
    builder.add_conditional_edges("ask", lambda state: "count" if state["turn"] < TURNS else END)
    return builder.compile(checkpointer=saver)


def run(saver, thread_id, durability):
    """The whole conversation: each question is answered with its own text."""
    compiled, config = graph(saver), {"configurable": {"thread_id": thread_id}, "recursion_limit": 200}
    result = compiled.invoke({"seen": [], "turn": 0}, config, durability=durability)
    while "__interrupt__" in result:
        question = result["__interrupt__"][0].value
        result = compiled.invoke(Command(resume=f"answer to {question}"), config, durability=durability)
    return result, compiled.get_state(config).values


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_run_and_its_answers_survive_pruning_all_the_while(server, thread_id, durability):
    expected = run(InMemorySaver(), thread_id, durability)
    ended = threading.Event()
    pruned = []
    with MilepostSaver(server.base_url) as saver, MilepostSaver(server.base_url) as other:

        def prune():
            while not ended.is_set():
                pruned.append(other.prune([thread_id]).checkpoints)

        operator_at_work = threading.Thread(target=prune)
        operator_at_work.start()
        try:
            assert run(saver, thread_id, durability) == expected
        finally:
            ended.set()
            operator_at_work.join()
        saver.prune([thread_id])
        left = list(saver.list({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}))
        if durability == "exit":
            # The answers are not stored then: nobody can tell that the questions do not wait any more.
            assert all(found.pending_writes for found in left[1:])
        else:
            assert sum(pruned) > TURNS
            assert len(left) == 1
        assert graph(saver).get_state({"configurable": {"thread_id": thread_id}}).values == expected[1]
