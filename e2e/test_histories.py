"""What concurrent clients were answered is linearizable while servers and PostgreSQL are killed and frozen.

Clients give up what is not answered in time, and send what they know nothing of again, to any server. Everything is
written down; a history that cannot be explained is kept, named, and checked again by

    python e2e/linearizability.py FILE

MILEPOST_HISTORY_ROUNDS=50 makes so many histories of each kind.
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter

import pytest

import history
import postgres
from linearizability import NotLinearizable, Undecided, check_file
from server import wait_until
from tap import Tap, drop, lose

pytestmark = pytest.mark.breaking

ROUNDS = int(os.environ.get("MILEPOST_HISTORY_ROUNDS", "1"))
FAULTS = 4
THREADS = 4
# What a client waits for an answer, and how long somebody is frozen.
PATIENCE = 1.0
FROZEN = 1.4
RECOVERY_LIMIT = 20.0


class Faults:
    """Makes things go wrong between the servers and their PostgreSQL, and writes down what and when."""

    def __init__(self, servers, cluster, recorder, seed):
        self.counts = Counter()
        self._servers = servers
        self._cluster = cluster
        self._recorder = recorder
        self._random = random.Random(f"{seed}-faults")

    def make(self, kinds):
        """Each kind at least once, in any order; between them everything works."""
        order = [*kinds, *self._random.choices(kinds, k=max(0, FAULTS - len(kinds)))]
        self._random.shuffle(order)
        for kind in order:
            time.sleep(self._random.uniform(0.2, 0.6))  # Not to wait for something: clients work undisturbed.
            getattr(self, kind)()
            self.counts[kind] += 1
            for server in self._servers:
                wait_until(server.is_ready, RECOVERY_LIMIT, "the server is ready again")
        time.sleep(0.3)  # And once more.

    def _one_of_them(self):
        number = self._random.randrange(len(self._servers))
        return number, self._servers[number]

    def kill(self):
        number, server = self._one_of_them()
        server.kill()
        self._recorder.write("kill", server=number)
        time.sleep(self._random.uniform(0, 0.2))  # As long as clients find nobody there.
        self._recorder.write("start", server=number)
        server.start()

    def freeze(self):
        number, server = self._one_of_them()
        self._recorder.write("freeze", server=number)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(FROZEN)
        server.process.send_signal(signal.SIGCONT)
        self._recorder.write("thaw", server=number)

    def freeze_postgresql(self):
        self._recorder.write("freeze", server="postgresql")
        self._cluster.freeze()
        time.sleep(FROZEN)
        self._cluster.thaw()
        self._recorder.write("thaw", server="postgresql")

    def kill_postgresql(self):
        self._cluster.kill()
        self._recorder.write("kill", server="postgresql")
        self._recorder.write("start", server="postgresql")
        self._cluster.start()


KINDS = {
    "servers": ["kill", "freeze"],
    "postgresql": ["freeze_postgresql", "kill_postgresql"],
}


# What there is, and what goes wrong with it.
CASES = {
    "sqlite": (0, ["servers"]),
    "postgres": (1, ["servers"]),
    "postgres-fails": (1, ["postgresql"]),
    "two-servers": (2, ["servers"]),
    "two-servers-and-all-fails": (2, ["servers", "postgresql"]),
}


@pytest.mark.parametrize("round_number", range(ROUNDS))
@pytest.mark.parametrize("case", CASES)
def test_histories(request, start_server, tmp_path, seed, figures, case, round_number):
    """Several servers over one PostgreSQL, or one over SQLite, where a request dies with the server that has it."""
    count, faults = CASES[case]
    cluster = request.getfixturevalue("own_cluster") if count else None
    store = postgres.new_database(cluster.url()) if count else f"sqlite:{tmp_path / 'milepost.db'}"
    servers = [start_server(store) for _ in range(count or 1)]
    path, seed = tmp_path / "history.jsonl", f"{seed}-{case}-{round_number}"
    # A server stores again what it has lost its connection over.
    with history.Recorder(path, seed, may_repeat="postgresql" in faults, kill_is_final=count == 0) as recorder:
        ports = [server.port for server in servers]
        clerks = history.Clerks(ports, "t", recorder, seed, clients=5, threads=THREADS, pause=0.03, patience=PATIENCE)
        made = Faults(servers, cluster, recorder, seed)
        with clerks:
            made.make([kind for name in faults for kind in KINDS[name]])
        clerks.read_all()
    checked = check_file(path)
    assert checked.counts["ok"] > 100 and len(checked.threads) == THREADS
    outcomes = {name: checked.counts[name] for name in ("invoke", "ok", "fail", "unknown")}
    figures("histories, all linearizable", Counter(histories=1) + Counter(outcomes) + made.counts)


class LossyRelay(Tap):
    """Loses a request now and then, and the answer of another."""

    def __init__(self, port, seed):
        super().__init__(port)
        self.lost = Counter()
        self._random = random.Random(f"{seed}-relay")

    def next_fault(self):
        fault = self._random.choice([drop, lose, *[None] * 38])
        if fault is not None:
            self.lost["lost answers" if fault is lose else "lost requests"] += 1
        return fault


@pytest.mark.parametrize("round_number", range(ROUNDS))
@pytest.mark.parametrize("case", ["sqlite", "two-servers"])
def test_histories_over_a_bad_network(start_server, tmp_path, seed, figures, case, round_number):
    """Whether the server has done what it did not answer nobody knows; that it comes again does no harm."""
    count, _ = CASES[case]
    store = postgres.new_database() if count else f"sqlite:{tmp_path / 'milepost.db'}"
    path, seed = tmp_path / "history.jsonl", f"{seed}-{case}-{round_number}"
    with contextlib.ExitStack() as stack:
        servers = [start_server(store) for _ in range(count or 1)]
        relays = [stack.enter_context(LossyRelay(server.port, f"{seed}-{n}")) for n, server in enumerate(servers)]
        history.record(path, [relay.port for relay in relays], "t", seed, clients=6, requests=60)
    checked = check_file(path)
    assert checked.counts["unknown"] > 0
    counts = sum((relay.lost for relay in relays), Counter())
    outcomes = {name: checked.counts[name] for name in ("invoke", "ok", "unknown")}
    figures("histories over a bad network, all linearizable", Counter(histories=1) + Counter(outcomes) + counts)


class LyingRelay(Tap):
    """Says now and then that writes are stored, and does not store them."""

    def __init__(self, port, seed):
        super().__init__(port)
        self._random = random.Random(f"{seed}-relay")

    def next_fault(self):
        return self.lie if self._random.random() < 0.1 else None

    @staticmethod
    def lie(connection, request):
        is_lost = request[0].endswith("/put-writes")
        connection.reply(*((204, [], b"") if is_lost else connection.forward(*request)))


def test_what_is_acknowledged_and_not_stored_is_seen(start_server, tmp_path, seed):
    """What the tests above rest on; the file is kept, and named."""
    for number in range(5):
        # Now and then what was lost was deleted before anybody read it.
        path = tmp_path / f"history-{number}.jsonl"
        with LyingRelay(start_server("memory:").port, seed) as relay:
            history.record(path, [relay.port], f"t{number}", seed, clients=4, requests=60)
        try:
            check_file(path)
        except (NotLinearizable, Undecided) as error:
            assert f"python e2e/linearizability.py {path}" in error.__notes__[0]
            return
    pytest.fail("five histories with lost writes were taken for good ones")
