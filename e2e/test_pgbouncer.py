"""Behind pgbouncer in transaction mode: each transaction may run on another connection, and none keeps anything."""

import asyncio
import signal
import time

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import graphs
import patient
import pgbouncer
import postgres
import recorded
from server import Server, wait_until

CASES = recorded.load_cases()
# Every case runs on PostgreSQL directly; a part of them, all calls among it, runs here.
SOME = [name for number, name in enumerate(CASES) if number % 6 == 0]
RECOVERY_LIMIT = 10.0


@pytest.fixture(scope="module")
def bouncer():
    with pgbouncer.in_front_of(postgres.new_database()) as running:
        yield running


@pytest.fixture(scope="module")
def pooled(bouncer, tmp_path_factory):
    """A server that knows PostgreSQL only by pgbouncer's address."""
    server = Server(bouncer.url, tmp_path_factory.mktemp("pooled")).start()
    yield server
    server.stop()
    for text in (server.log_text(), bouncer.log_text()):
        assert "prepared statement" not in text
    assert "unsupported" not in bouncer.log_text()


@pytest.mark.parametrize("name", SOME)
def test_recorded_case(pooled, name):
    case = CASES[name]
    recorded.prepare(pooled.port, CASES, case)
    assert recorded.difference(case, recorded.run(pooled.port, case)) is None


def test_graphs(pooled):
    async def run(saver):
        states = []
        for builder, start, answers in (
            (graphs.approval(), {"item": "bolts", "answers": [], "status": "new"}, (12, "yes")),
            (graphs.fan_out(), {"numbers": list(range(20)), "squares": [], "total": 0}, ("go",)),
            (graphs.asking_child(), {"name": "n", "steps": [], "done": False}, ("now",)),
        ):
            graph = builder.compile(checkpointer=saver)
            config = {"configurable": {"thread_id": f"pooled-{len(states)}"}}
            for given in (start, *map(lambda answer: Command(resume=answer), answers)):
                await graph.ainvoke(given, config)
                states.append(graphs.summary(await graph.aget_state(config)))
        return states

    async def through_milepost():
        async with AsyncAgentex(base_url=pooled.base_url, max_retries=0) as client:
            return await run(HttpCheckpointSaver(client))

    expected = asyncio.run(run(InMemorySaver()))
    assert asyncio.run(through_milepost()) == expected and len(expected) == 7


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_pgbouncer_that_is_killed(pooled, bouncer, seed, number):
    with patient.PatientLoad(pooled.port, f"bounced-{int(number)}", seed) as running:
        for _ in range(2):
            now = time.monotonic()
            wait_until(lambda: running.all_have_stored_since(now), RECOVERY_LIMIT, "every client stores something")
            bouncer.end(number)
            bouncer.start()
            back = time.monotonic()
            wait_until(lambda: running.all_have_stored_since(back), RECOVERY_LIMIT, "every client stores again")
    patient.check(pooled.port, running.writers)


def test_connections_behind_it_are_terminated(pooled, bouncer, seed):
    behind = postgres.changed(bouncer.url, port=postgres.port_of(postgres.server_url()))
    with patient.PatientLoad(pooled.port, "behind", seed) as running:
        with postgres.Storm(behind, 0.1) as storm:
            wait_until(lambda: storm.ended > 20, 30, "twenty connections were ended")
        now = time.monotonic()
        wait_until(lambda: running.all_have_stored_since(now), RECOVERY_LIMIT, "every client stores something")
    patient.check(pooled.port, running.writers)


def test_there_are_calls_of_every_kind():
    paths = {CASES[name]["path"] for name in SOME}
    calls = {f"/checkpoints/{call}" for call in ("put", "put-writes", "get-tuple", "list", "delete-thread")}
    assert calls <= paths
