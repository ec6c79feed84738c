"""Starts servers for tests and makes sure that each one ends."""

import os
import random
import uuid
from collections import Counter, defaultdict

import pytest

import cluster
import postgres
from server import Server, binary_path

# The agentex client must not look anything up on the network, nor take a server address from the developer's shell.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
for name in ("AGENTEX_BASE_URL", "AGENTEX_SDK_API_KEY", "AGENTEX_CUSTOM_HEADERS", "LANGSMITH_TRACING"):
    os.environ.pop(name, None)

# The browser, and who looks at the inspector with it.
pytest_plugins = ["inspector"]
STORES = ("memory", "sqlite", "postgres")
SEED = os.environ.get("MILEPOST_SEED") or str(random.SystemRandom().randrange(10**9))


def pytest_sessionstart():
    """Says at once when there is nothing to test."""
    if not os.access(binary_path(), os.X_OK):
        pytest.exit(f"no program at {binary_path()}: run `make build`, or set MILEPOST_BINARY", returncode=1)
    if postgres.VARIABLE not in os.environ:
        command = "scripts/with-postgres .venv/bin/python -m pytest e2e"
        pytest.exit(f"no PostgreSQL: run `{command}`, which makes one and sets {postgres.VARIABLE}", returncode=1)


def store_url(kind, directory):
    """The --store of a new, empty store."""
    if kind == "postgres":
        return postgres.new_database()
    return "memory:" if kind == "memory" else f"sqlite:{directory / 'milepost.db'}"


@pytest.fixture(scope="session", params=STORES)
def server(request, tmp_path_factory):
    """One server a store for the whole session: tests that use it must use threads of their own."""
    directory = tmp_path_factory.mktemp(f"server-{request.param}")
    running = Server(store_url(request.param, directory), directory).start()
    yield running
    if running.is_running:
        running.stop()


@pytest.fixture
def start_server(tmp_path):
    """A function that starts a server of this test's own; what still runs at the end is stopped."""
    started = []

    def start(store="memory:", *options, environment=None):
        running = Server(store, tmp_path, *options, environment=environment)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        # Shown when the test has failed: what the server said beside answering requests.
        print("\n".join(line for line in running.log_lines() if "request answered" not in line)[-4000:])
        if running.is_running:
            running.stop()


@pytest.fixture
def thread_id():
    """A thread nobody else uses."""
    return f"thread-{uuid.uuid4().hex}"


@pytest.fixture
def sqlite_store(tmp_path):
    """The URL of an SQLite store that does not exist yet."""
    return store_url("sqlite", tmp_path)


@pytest.fixture
def postgres_store():
    """The URL of an empty PostgreSQL database."""
    return store_url("postgres", None)


@pytest.fixture(scope="session")
def cluster_to_break():
    """A second PostgreSQL, which only `own_cluster` gives away."""
    # After a kill it would sync each of its files; one call does the same.
    with cluster.throwaway(recovery_init_sync_method="syncfs") as running:
        yield running


@pytest.fixture
def own_cluster(cluster_to_break):
    """A PostgreSQL that a test may kill, stop or freeze; it runs at the start of each."""
    if not cluster_to_break.is_running:
        cluster_to_break.start()
    cluster_to_break.thaw()
    return cluster_to_break


@pytest.fixture
def seed():
    """Names the seed in the output of a test that fails; MILEPOST_SEED gives it again."""
    print(f"MILEPOST_SEED={SEED}")
    return SEED


FIGURES = defaultdict(lambda: (Counter(), {}))


@pytest.fixture
def figures():
    """A function that takes what a test has done, under a title: counts, and the greatest there is of each measure."""

    def add(title, counts, measures=None):
        sums, greatest = FIGURES[title]
        sums.update(counts)
        for name, value in (measures or {}).items():
            greatest[name] = max(value, greatest.get(name, value))

    return add


def pytest_terminal_summary(terminalreporter):
    """What was tried, and how often: a pass alone does not say."""
    for title, (sums, greatest) in FIGURES.items():
        words = [f"{count:,} {what}" for what, count in sums.items()]
        words += [f"{value:.2f} {what}" for what, value in greatest.items()]
        terminalreporter.write_line(f"{title}: {', '.join(words)}; MILEPOST_SEED={SEED}")
