"""The conversation of the storage figures: a real LangGraph graph that talks for 200 turns of about 1 KiB.

Its state is the usual append-only list of messages, which LangGraph stores whole at each step.
"""

import random
import uuid
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph

import words

TURNS = 200
SEED = 11
THREAD = "5f0d3f6e-3f0b-4b52-9a53-0f5a3c1d2e4b"
CONFIG: Any = {"configurable": {"thread_id": THREAD}}


def serde() -> JsonPlusSerializer:
    """What LangGraph's savers serialise with by default."""
    return JsonPlusSerializer()


def converse(saver: BaseCheckpointSaver[str], turns: int = TURNS) -> None:
    generator = random.Random(SEED)
    graph = _graph(saver, generator)
    for _ in range(turns):
        graph.invoke({"messages": [question(generator)]}, CONFIG, durability="sync")


async def converse_async(saver: BaseCheckpointSaver[str], turns: int = TURNS) -> None:
    generator = random.Random(SEED)
    graph = _graph(saver, generator)
    for _ in range(turns):
        await graph.ainvoke({"messages": [question(generator)]}, CONFIG, durability="sync")


def _graph(saver: BaseCheckpointSaver[str], generator: random.Random) -> Any:
    def agent(_: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [answer(generator)]}

    async def agent_async(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return agent(state)

    builder = StateGraph(MessagesState)
    builder.add_node("agent", RunnableLambda(agent, afunc=agent_async))
    builder.add_edge(START, "agent")
    return builder.compile(checkpointer=saver)


def question(generator: random.Random) -> HumanMessage:
    return HumanMessage(words.text(generator, generator.randint(80, 240)), id=_id(generator))


def answer(generator: random.Random) -> AIMessage:
    content = words.text(generator, generator.randint(600, 1_000))
    tokens = {"input_tokens": generator.randint(50, 9_000), "output_tokens": len(content) // 4}
    return AIMessage(
        content,
        id=f"run--{_id(generator)}",
        response_metadata={"finish_reason": "stop", "model_name": "a-language-model", "logprobs": None},
        usage_metadata={**tokens, "total_tokens": sum(tokens.values())},
    )


def _id(generator: random.Random) -> str:
    return str(uuid.UUID(int=generator.getrandbits(128), version=4))


def message_lists(generator: random.Random, count: int, edit: Callable[[list[AnyMessage], int], None]) -> list[bytes]:
    """Versions of a list of 100 messages, serialised; `edit` changes it between two of them."""
    messages: list[AnyMessage] = [answer(generator) for _ in range(100)]
    versions = []
    for number in range(count):
        edit(messages, number)
        versions.append(serde().dumps_typed(messages)[1])
    return versions
