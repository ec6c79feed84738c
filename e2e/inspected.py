"""A research agent that does the same every time, and the threads that the inspector's tests and pictures look into.

The agent plans, reads its sources side by side (Send), talks with a scripted model and its tools, has a subgraph check
the draft, waits for a person, and publishes.
"""

import asyncio
import operator
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Annotated, TypedDict

import httpx
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt

QUESTION = "How do bats find their way in the dark?"
TOPICS = ("echolocation", "magnetic sense", "landmarks")
ANSWER = "Bats **listen** to the echo of their own calls."
APPROVAL = "Publish this report?"
NO_PRINTER = "the printing service is closed"


class Research(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    topics: list[str]
    notes: Annotated[dict[str, str], operator.or_]
    draft: str
    checks: Annotated[list[str], operator.add]
    status: str


class PrinterClosed(Exception):
    """What the last node raises in the thread that fails."""


def plan(state):
    """Says what to read."""
    return {"topics": list(TOPICS), "status": "planned"}


def read(task):
    """One source, beside the others."""
    topic = task["topic"]
    return {"notes": {topic: f"{topic}: " + "a page about it. " * 40}}


def model(state):
    """Asks for a tool twice, then answers."""
    turn = sum(isinstance(message, AIMessage) for message in state["messages"])
    if turn < 2:
        call = {"name": "look_up", "args": {"topic": TOPICS[turn], "pages": turn + 2}, "id": f"call-{turn}"}
        return {"messages": [AIMessage("", tool_calls=[{**call, "type": "tool_call"}], id=f"ai-{turn}")]}
    return {"messages": [AIMessage(ANSWER, id=f"ai-{turn}")], "draft": ANSWER}


def tools(state):
    """Runs the tools that the model asked for."""
    calls = state["messages"][-1].tool_calls
    answers = [(call, f"{call['args']['pages']} pages about {call['args']['topic']}") for call in calls]
    return {
        "messages": [ToolMessage(text, name=call["name"], tool_call_id=call["id"], id=f"of-{call['id']}")
                     for call, text in answers]
    }


def approve(state):
    """Waits for a person."""
    answer = interrupt({"question": APPROVAL, "draft": state["draft"]})
    return {"status": "approved" if answer == "yes" else "refused"}


def publish(state):
    """Fails in a thread whose person says so."""
    if state["status"] == "refused":
        raise PrinterClosed(NO_PRINTER)
    return {"status": "published"}


class Review(TypedDict):
    draft: str
    checks: Annotated[list[str], operator.add]


def review():
    """The subgraph: two steps over the draft."""
    graph = StateGraph(Review)
    graph.add_node("spell", lambda state: {"checks": [f"{len(state['draft'].split())} words"]})
    graph.add_node("facts", lambda state: {"checks": ["two sources agree"]})
    graph.add_edge(START, "spell")
    graph.add_edge("spell", "facts")
    return graph.compile()


def research(pace=0.0):
    """The whole agent, whose nodes take `pace` seconds and some more."""

    def paced(node):
        def run(state):
            time.sleep(pace * (1 + len(node.__name__) % 3))
            return node(state)

        return run

    graph = StateGraph(Research)
    for node in (plan, read, model, tools, approve, publish):
        graph.add_node(node.__name__, paced(node))
    graph.add_node("review", review())
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda s: [Send("read", {"topic": topic}) for topic in s["topics"]], ["read"])
    graph.add_edge("read", "model")
    graph.add_conditional_edges(
        "model", lambda s: "tools" if s["messages"][-1].tool_calls else "review", ["tools", "review"]
    )
    graph.add_edge("tools", "model")
    graph.add_edge("review", "approve")
    graph.add_edge("approve", "publish")
    graph.add_edge("publish", END)
    return graph


class Growing(TypedDict):
    transcript: Annotated[list[str], operator.add]
    pages: Annotated[dict[str, str], operator.or_]
    round: int


def growing(rounds=12):
    """A state that grows: `transcript` by a line a step, `pages` by a page of which no part comes twice."""

    def collect(state):
        number = state["round"] + 1
        page = random.Random(number).randbytes(700 + 150 * (number % 5)).hex()
        return {"transcript": [f"round {number}"], "pages": {f"page {number}": page}, "round": number}

    graph = StateGraph(Growing)
    graph.add_node("collect", collect)
    graph.add_edge(START, "collect")
    graph.add_conditional_edges("collect", lambda s: "collect" if s["round"] < rounds else END, ["collect", END])
    return graph


def first_input():
    return {"messages": [SystemMessage("Answer in one sentence.", id="system"), HumanMessage(QUESTION, id="question")]}


FIRST_ROUND = {"transcript": [], "pages": {}, "round": 0}


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def meeting():
    """Two nodes side by side, and one that waits for both."""
    builder = StateGraph(Words)
    for name in ("left", "right", "meet"):
        builder.add_node(name, lambda _, name=name: {"words": [name]})
    return builder.add_edge(START, "left").add_edge(START, "right").add_edge(["left", "right"], "meet")


class Agent:
    """A graph at work in one thread of a server."""

    def __init__(self, server, thread_id, builder, headers=None):
        self.url, self.thread_id, self.builder, self.headers = server.base_url, thread_id, builder, headers
        self.config = {"configurable": {"thread_id": thread_id}}

    def __call__(self, *inputs):
        """Invokes the graph with each input, or calls it with the graph, and gives the history, newest first.

        In a thread of its own: Playwright keeps an event loop in this one.
        """
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._run(inputs)).result()

    async def _run(self, inputs):
        # The saver takes the client's own client, which has no other headers.
        own = httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=30)
        async with AsyncAgentex(base_url=self.url, max_retries=0, http_client=own) as client:
            graph = self.builder.compile(checkpointer=HttpCheckpointSaver(client))
            for given in inputs:
                if callable(given):
                    await given(graph, self.config)
                else:
                    await graph.ainvoke(given, self.config)
            return [state async for state in graph.aget_state_history(self.config)]


async def fork_from_plan(graph, config):
    """Goes back to where the plan was made, changes it, and goes on from there."""
    history = [state async for state in graph.aget_state_history(config)]
    planned = next(state for state in history if (state.metadata or {}).get("step") == 1)
    forked = await graph.aupdate_state(planned.config, {"topics": ["landmarks"]}, as_node="plan")
    await graph.ainvoke(None, forked)


async def failing(graph, config):
    """Says no, and the agent fails."""
    with suppress(PrinterClosed):
        await graph.ainvoke(Command(resume="no"), config)


FINISHED, WAITING, FAILED, FORKED, GREW = (
    f"research-{name}" for name in ("finished", "waiting", "failed", "forked", "growing")
)


def fill(server, headers=None, pace=0.0):
    """The five threads that the tests know, oldest first; gives the history of each by its id."""
    agent = research(pace)
    runs = {
        GREW: (growing(), FIRST_ROUND),
        FINISHED: (agent, first_input(), Command(resume="yes")),
        FAILED: (agent, first_input(), failing),
        FORKED: (agent, first_input(), Command(resume="yes"), fork_from_plan),
        WAITING: (agent, first_input()),
    }
    return {name: Agent(server, name, builder, headers)(*inputs) for name, (builder, *inputs) in runs.items()}
