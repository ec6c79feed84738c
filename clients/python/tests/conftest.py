"""Starts servers for tests, on SQLite and on PostgreSQL, and makes savers of every kind for them."""

import os
import random
import uuid
from contextlib import ExitStack

import postgres
import pytest
from server import Server, binary_path
from tap import Tap

from surfaces import SURFACES, opened

for name in ("MILEPOST_URL", "MILEPOST_API_KEY", "LANGGRAPH_STRICT_MSGPACK", "LANGSMITH_TRACING"):
    os.environ.pop(name, None)

STORES = ("sqlite", "postgres")
SEED = os.environ.get("MILEPOST_SEED") or str(random.SystemRandom().randrange(10**9))


def pytest_sessionstart():
    """Says at once when there is nothing to test."""
    if not os.access(binary_path(), os.X_OK):
        pytest.exit(f"no program at {binary_path()}: run `make build`, or set MILEPOST_BINARY", returncode=1)
    if postgres.VARIABLE not in os.environ:
        pytest.exit("no PostgreSQL: run scripts/python-client, or pytest through scripts/with-postgres", returncode=1)


def new_store(kind, directory):
    """The --store of a new, empty store."""
    return postgres.new_database() if kind == "postgres" else f"sqlite:{directory / 'milepost.db'}"


@pytest.fixture(scope="session", params=STORES)
def server(request, tmp_path_factory):
    """One server a store for the whole session: tests that use it must use threads of their own."""
    directory = tmp_path_factory.mktemp(f"server-{request.param}")
    running = Server(new_store(request.param, directory), directory).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory):
    """A server for tests to which the store is all the same."""
    directory = tmp_path_factory.mktemp("server-for-clients")
    running = Server(new_store("sqlite", directory), directory).start()
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path):
    """A server that this test may stop, start and fill."""
    running = Server(new_store("sqlite", tmp_path), tmp_path).start()
    yield running
    if running.is_running:
        running.stop()


@pytest.fixture(params=SURFACES)
def surface(request, server):
    """A saver of either kind, called through its blocking or its asynchronous methods, on either store."""
    with opened(request.param, server.base_url) as found:
        yield found


@pytest.fixture(params=SURFACES)
def open_surface(request):
    """A function that gives a saver as `surface` does, for another server, with other arguments."""
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(opened(request.param, url, **options))


@pytest.fixture
def tap(sqlite_server):
    """A relay before a server, which counts what passes and spoils it when told to."""
    with Tap(sqlite_server.port) as running:
        yield running


@pytest.fixture
def thread_id():
    """A thread nobody else uses."""
    return f"thread-{uuid.uuid4().hex}"


@pytest.fixture
def seed():
    """Names the seed in the output of a test that fails; MILEPOST_SEED gives it again."""
    print(f"MILEPOST_SEED={SEED}")
    return SEED
