"""What `checkpointer.path` in langgraph.json names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ._saver import AsyncMilepostSaver


@asynccontextmanager
async def create_checkpointer() -> AsyncIterator[AsyncMilepostSaver]:
    """A saver for the server that MILEPOST_URL names, with MILEPOST_API_KEY if it is set, closed at the end.

    In langgraph.json: `"checkpointer": {"path": "langgraph.checkpoint.milepost.create_checkpointer"}`.
    """
    async with AsyncMilepostSaver.from_env() as saver:
        yield saver
