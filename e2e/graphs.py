"""LangGraph graphs that do the same every time they run, with what is worth comparing of their states."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Send, interrupt


# MARK: a tool loop


class Conversation(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@tool
def multiply(a: int, b: int, call: Annotated[str, InjectedToolCallId]) -> ToolMessage:
    """Multiplies two integers."""
    # A message with an id of its own: ToolNode would give it a random one.
    return ToolMessage(str(a * b), tool_call_id=call, id=f"result-of-{call}")


def scripted_model(state):
    """A chat model that asks for two tool calls in one turn, then for one more, then answers."""
    results = [int(message.content) for message in state["messages"] if isinstance(message, ToolMessage)]
    turn = sum(isinstance(message, AIMessage) for message in state["messages"])
    if not results:
        calls = [tool_call("call-1", 6, 7), tool_call("call-2", 10, 10)]
    elif len(results) == 2:
        calls = [tool_call("call-3", *results)]
    else:
        return {"messages": [AIMessage(f"The product is {results[-1]}.", id=f"ai-{turn}")]}
    return {"messages": [AIMessage("", tool_calls=calls, id=f"ai-{turn}")]}


def tool_call(name, a, b):
    return {"name": "multiply", "args": {"a": a, "b": b}, "id": name, "type": "tool_call"}


def tool_loop():
    """model → tools → model → tools → model."""
    graph = StateGraph(Conversation)
    graph.add_node("model", scripted_model)
    graph.add_node("tools", ToolNode([multiply]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph


# MARK: interrupts


class Order(TypedDict):
    item: str
    answers: Annotated[list[str], operator.add]
    status: str


def ask(state):
    """Asks twice in one node: resuming the second question runs the node again with the first answer."""
    count = interrupt({"question": "How many?", "item": state["item"]})
    approved = interrupt({"question": f"Order {count}?"})
    return {"answers": [str(count), str(approved)]}


def finish(state):
    return {"status": "ordered" if state["answers"][-1] == "yes" else "dropped"}


def approval():
    """A node that waits for a person, twice, and one after it."""
    graph = StateGraph(Order)
    graph.add_node("ask", ask)
    graph.add_node("finish", finish)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "finish")
    graph.add_edge("finish", END)
    return graph


# MARK: fan-out


class Squares(TypedDict):
    numbers: list[int]
    squares: Annotated[list[int], operator.add]
    total: int


def fan_out():
    """One task a number, through Send, and a node that sums up; number 3 asks before it answers."""

    def square(task):
        number = task["number"]
        if number == 3:
            interrupt(f"Square {number}?")
        return {"squares": [number * number]}

    graph = StateGraph(Squares)
    graph.add_node("plan", lambda state: {})
    graph.add_node("square", square)
    graph.add_node("sum", lambda state: {"total": sum(state["squares"])})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("square", {"number": number}) for number in state["numbers"]], ["square"]
    )
    graph.add_edge("square", "sum")
    graph.add_edge("sum", END)
    return graph


# MARK: subgraphs


class Visits(TypedDict):
    name: str
    seen: Annotated[list[str], operator.add]


class Child(TypedDict):
    name: str
    steps: Annotated[list[str], operator.add]


def child_steps():
    """Two steps that append to what this subgraph remembers of its own."""
    graph = StateGraph(Child)
    graph.add_node("first", lambda state: {"steps": [f"{state['name']}-first"]})
    graph.add_node("second", lambda state: {"steps": [f"{state['name']}-second"]})
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    return graph


def remembering_child():
    """A parent whose child has checkpoints, and so a memory, of its own."""
    child = child_steps().compile(checkpointer=True, name="child")

    async def visit(state):
        answer = await child.ainvoke({"name": state["name"], "steps": []})
        return {"seen": [f"{len(answer['steps'])} steps"]}

    graph = StateGraph(Visits)
    graph.add_node("visit", visit)
    graph.add_edge(START, "visit")
    return graph


def asking_child():
    """A subgraph as a node, with an interrupt inside it."""

    def confirm(state):
        return {"steps": [f"confirmed {interrupt('Go on?')}"]}

    child = StateGraph(Child)
    child.add_node("prepare", lambda state: {"steps": ["prepared"]})
    child.add_node("confirm", confirm)
    child.add_edge(START, "prepare")
    child.add_edge("prepare", "confirm")

    class Parent(TypedDict):
        name: str
        steps: Annotated[list[str], operator.add]
        done: bool

    graph = StateGraph(Parent)
    graph.add_node("child", child.compile())
    graph.add_node("close", lambda state: {"done": True})
    graph.add_edge(START, "child")
    graph.add_edge("child", "close")
    return graph


# MARK: errors


class Work(TypedDict):
    done: Annotated[list[str], operator.add]


class Boom(Exception):
    """What the flaky node raises."""


def flaky_pair(runs):
    """Two nodes side by side: `steady` always works; `flaky` fails on its first run, after `steady` has finished.

    `runs` counts each node's runs.
    """
    steady_is_done = asyncio.Event()

    async def steady(state):
        runs["steady"] += 1
        steady_is_done.set()
        return {"done": ["steady"]}

    async def flaky(state):
        runs["flaky"] += 1
        await steady_is_done.wait()
        if runs["flaky"] == 1:
            raise Boom("the first run fails")
        return {"done": ["flaky"]}

    graph = StateGraph(Work)
    graph.add_node("start", lambda state: {"done": ["start"]})
    graph.add_node("steady", steady)
    graph.add_node("flaky", flaky)
    graph.add_node("join", lambda state: {"done": ["join"]})
    graph.add_edge(START, "start")
    graph.add_edge("start", "steady")
    graph.add_edge("start", "flaky")
    graph.add_edge(["steady", "flaky"], "join")
    return graph


# MARK: time travel


class Counter(TypedDict):
    count: int
    label: str
    trail: Annotated[list[str], operator.add]


def counter(limit=3):
    """Counts up to `limit`. `count` and `label` are primitives, `trail` is not: a saver stores the two kinds apart."""

    def step(state):
        count = state["count"] + 1
        return {"count": count, "label": f"at {count}", "trail": [f"{state['count']}→{count}"]}

    graph = StateGraph(Counter)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["count"] < limit else END, ["step", END])
    return graph


# MARK: what is compared


def summary(snapshot):
    """What two savers must agree on: everything of a state but ids and times."""
    return {
        "values": snapshot.values,
        "next": snapshot.next,
        "metadata": {name: (snapshot.metadata or {}).get(name) for name in ("source", "step")},
        "tasks": [task_summary(task) for task in snapshot.tasks],
        "interrupts": [item.value for item in snapshot.interrupts],
        "has_parent": snapshot.parent_config is not None,
    }


def task_summary(task):
    return {
        "name": task.name,
        "error": None if task.error is None else repr(task.error),
        "interrupts": [item.value for item in task.interrupts],
        "result": task.result,
        # Without `subgraphs=True` this is the subgraph's config, which names its thread.
        "state": summary(task.state) if hasattr(task.state, "values") and hasattr(task.state, "next") else None,
    }
