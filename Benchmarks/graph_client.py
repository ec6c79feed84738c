"""A LangGraph program with one saver, in a process of its own.

graph_client.py KIND ADDRESS

It takes one JSON object a line on standard input and answers each with one on standard output: how long a graph or the
history of a thread took, with the process's own CPU, and a digest of the states, which must be the same for all savers.
"""

import asyncio
import contextlib
import hashlib
import json
import operator
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, MessagesState, StateGraph

import words

SEED = 50
# More than any thread here has: agentex-sdk's saver would otherwise get the server's first page and no more.
ALL = 1_000


@contextlib.asynccontextmanager
async def saver(kind: str, address: str) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """The saver as its users make it; only its own packages are imported."""
    if kind == "postgres":
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        async with AsyncPostgresSaver.from_conn_string(address) as postgres:
            await postgres.setup()
            yield postgres
    elif kind == "sqlite":
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(address) as sqlite:
            await sqlite.setup()
            yield sqlite
    elif kind == "agentex":
        from agentex import AsyncAgentex
        from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver

        async with AsyncAgentex(base_url=address) as client:
            yield HttpCheckpointSaver(client)
    else:
        from langgraph.checkpoint.milepost import AsyncMilepostSaver

        async with AsyncMilepostSaver(address) as milepost:
            yield milepost


class State(MessagesState):
    """Grows by a message a step, and counts."""

    steps: int
    tokens: Annotated[int, operator.add]
    last: dict[str, Any]


def graph(checkpointer: BaseCheckpointSaver[str], steps: int, has_messages: bool = True) -> Any:
    """A node that goes round as often as that. What it says is made before, so that only LangGraph takes time."""
    messages = _messages(steps)

    async def agent(state: State) -> dict[str, Any]:
        step = state["steps"]
        message = messages[step]
        used = {"step": step, "characters": len(message.content), "tool": None}
        said = {"messages": [message]} if has_messages else {}
        return {**said, "steps": step + 1, "tokens": len(message.content) // 4, "last": used}

    builder = StateGraph(State)
    builder.add_node("agent", agent)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", lambda state: END if state["steps"] == steps else "agent", ["agent", END])
    return builder.compile(checkpointer=checkpointer)


def _messages(count: int) -> list[AIMessage]:
    """A few hundred bytes each, the same in every process."""
    generator = random.Random(SEED)
    return [
        AIMessage(
            words.text(generator, generator.randint(200, 500)),
            id=f"run--{uuid.UUID(int=generator.getrandbits(128), version=4)}",
            response_metadata={"finish_reason": "stop", "model_name": "a-language-model"},
        )
        for _ in range(count)
    ]


class Program:
    """What it is asked to do, each time on a graph compiled before."""

    def __init__(self, checkpointer: BaseCheckpointSaver[str]) -> None:
        self._saver = checkpointer
        self._history: dict[tuple[int, bool], Any] = {}

    async def steps(self, steps: int, durability: str) -> dict[str, Any]:
        """A graph on a new thread from its first step to its last; what it left is read back afterwards."""
        compiled, config = graph(self._saver, steps), _config()
        times, found = await _timed(lambda: self._invoke(compiled, config, durability))
        stored = (await compiled.aget_state(config)).values
        if _bytes(stored) != _bytes(found):
            raise RuntimeError("what is stored is not what the graph answered")
        return {**times, "digest": _digest([found]), "states": 1}

    async def history(self, steps: int, each: bool, messages: bool = True) -> dict[str, Any]:
        """All states of a thread of so many steps; with `each`, every one fetched by itself after the list of them."""
        compiled = graph(self._saver, steps, messages)
        if (steps, messages) not in self._history:
            self._history[steps, messages] = _config()
            await self._invoke(compiled, self._history[steps, messages], "async")
        config = self._history[steps, messages]

        async def listed() -> list[Any]:
            states = [state async for state in compiled.aget_state_history(config, limit=ALL)]
            return [await compiled.aget_state(state.config) for state in states] if each else states

        times, states = await _timed(listed)
        told = [[state.values, list(state.next), state.metadata["step"], len(state.tasks)] for state in states]
        return {**times, "digest": _digest(told), "states": len(states)}

    async def _invoke(self, compiled: Any, config: Any, durability: str) -> Any:
        return await compiled.ainvoke({"messages": [], "steps": 0, "last": {}}, config, durability=durability)


def _config() -> Any:
    return {"configurable": {"thread_id": str(uuid.uuid4())}, "recursion_limit": ALL}


async def _timed(call: Callable[[], Awaitable[Any]]) -> tuple[dict[str, float], Any]:
    wall, own = time.perf_counter(), time.process_time()
    found = await call()
    return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - own}, found


def _digest(states: list[Any]) -> str:
    digest = hashlib.sha256()
    for state in states:
        digest.update(_bytes(state))
    return digest.hexdigest()


def _bytes(state: Any) -> bytes:
    """The same for the same values, in whatever order a saver gives them back."""
    if isinstance(state, dict):
        state = sorted(state.items())
    elif isinstance(state, list):
        state = [sorted(part.items()) if isinstance(part, dict) else part for part in state]
    return JsonPlusSerializer().dumps_typed(state)[1]


async def main(kind: str, address: str) -> None:
    async with saver(kind, address) as checkpointer:
        program = Program(checkpointer)
        print(json.dumps({}), flush=True)
        for text in iter(sys.stdin.readline, ""):
            asked = json.loads(text)
            do = program.steps if asked.pop("do") == "steps" else program.history
            print(json.dumps(await do(**asked)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
