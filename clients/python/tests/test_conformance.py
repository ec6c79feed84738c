"""LangGraph's own conformance suite: every capability that its published edition knows, and every test of each."""

import asyncio

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.report import ProgressCallbacks

from langgraph.checkpoint.milepost import AsyncMilepostSaver, MilepostSaver

TESTS = {
    "put": 17,
    "put_writes": 10,
    "get_tuple": 10,
    "list": 16,
    "delete_thread": 5,
    "delete_for_runs": 7,
    "copy_thread": 8,
    "prune": 8,
}
METHODS = (
    "get_tuple",
    "list",
    "put",
    "put_writes",
    "delete_thread",
    "delete_for_runs",
    "copy_thread",
    "prune",
    "get_delta_channel_history",
)


async def blocking_saver(url):
    with MilepostSaver(url) as saver:
        yield saver


async def asynchronous_saver(url):
    async with AsyncMilepostSaver(url) as saver:
        yield saver


@pytest.mark.parametrize("saver", [blocking_saver, asynchronous_saver])
def test_every_capability_is_there_and_every_test_passes(saver, server):
    registered = checkpointer_test(name=saver.__name__)(lambda: saver(server.base_url))
    report = asyncio.run(validate(registered, progress=ProgressCallbacks.verbose()))
    passed = {name: result.tests_passed for name, result in report.results.items() if result.detected}
    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert passed == TESTS
    assert sum(passed.values()) == 81
    assert report.conformance_level() == "FULL"


@pytest.mark.parametrize("saver", [MilepostSaver, AsyncMilepostSaver])
@pytest.mark.parametrize("name", [*METHODS, *(f"a{name}" for name in METHODS)])
def test_no_method_is_the_base_class_s(saver, name):
    """Capabilities are detected by this, the ninth, delta_channel_history, too: its tests are not published yet."""
    assert getattr(saver, name) is not getattr(BaseCheckpointSaver, name, None)
