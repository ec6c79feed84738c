"""The four ways to call a saver, behind one: either class, through its blocking or its asynchronous methods."""

import asyncio
from contextlib import contextmanager

from langgraph.checkpoint.milepost import AsyncMilepostSaver, MilepostSaver

SURFACES = ("MilepostSaver", "MilepostSaver awaited", "AsyncMilepostSaver", "AsyncMilepostSaver awaited")


class Surface:
    """A saver whose methods all return when they are done; `list` returns a list."""

    def __init__(self, saver, run):
        self.saver = saver
        self._run = run

    def shut(self):
        """Closes the saver, however its class does that."""
        if isinstance(self.saver, AsyncMilepostSaver):
            self._run(self.saver.aclose())
        else:
            self.saver.close()

    def __getattr__(self, name):
        return getattr(self.saver, name)

    def list(self, *arguments, **options):
        """All items."""
        return list(self.saver.list(*arguments, **options))


class AwaitedSurface(Surface):
    """The same through the asynchronous methods, each run to its end on one event loop."""

    def __getattr__(self, name):
        method = getattr(self.saver, f"a{name}", None)
        if method is None:
            return getattr(self.saver, name)
        return lambda *arguments, **options: self._run(method(*arguments, **options))

    def list(self, *arguments, **options):
        """All items."""

        async def collect():
            return [item async for item in self.saver.alist(*arguments, **options)]

        return self._run(collect())


@contextmanager
def opened(kind, url, **options):
    """A surface of that kind, closed at the end."""
    name, _, awaited = kind.partition(" ")
    make = AwaitedSurface if awaited else Surface
    with asyncio.Runner() as runner:
        found = make(
            {"MilepostSaver": MilepostSaver, "AsyncMilepostSaver": AsyncMilepostSaver}[name](url, **options), runner.run
        )
        try:
            yield found
        finally:
            found.shut()
