"""The clock of a server, or of its database, is set a day ahead or back while it runs.

Nothing goes early that should stay, nothing acknowledged is lost, keys and tokens are worth what docs/security.md says,
no lease is stuck or held twice, limits and time-outs go on as before. `wrong_clock.c` moves the wall clock of the real
program and of a real PostgreSQL. MILEPOST_CLOCK_JUMPS=2000 is the long form of the jumps under load: so many, not 40.
"""

import contextlib
import datetime
import json
import os
import random
import time

import httpx
import pytest

import cluster
import load
import postgres
import wire
from events import Agent, Follower
from security import KeysFile, bearer, write_private
from server import Server, wait_until
from test_retention import checkpoint_id, fill, ids, swept
from test_tokens import KEYS, OPTIONS, KeyServer
from tokens import claims, key_set, token
from wrong_clock import DAY, WrongClock

pytestmark = pytest.mark.breaking

JUMPS = int(os.environ.get("MILEPOST_CLOCK_JUMPS", "40"))
LIMIT = 30.0
# Far less than a day, and more than a jump and its look at the clock take.
SWEEPS = ("--retain-idle", "12h", "--sweep-interval", "2s")
CLOCK_WAS_SET = "the clock was set; nothing goes by itself until the next sweep"
# Nothing that a test asks for takes longer, by a clock that nobody sets.
LONGEST_MS = 20_000


@pytest.fixture(scope="module")
def clock_directory():
    with cluster.directory_of_its_own() as directory:
        directory.chmod(0o755)
        yield directory


@pytest.fixture(scope="module")
def one_clock(clock_directory):
    return WrongClock(clock_directory)


@pytest.fixture
def clock(one_clock):
    """A clock that is right, before and after."""
    one_clock.set(0)
    yield one_clock
    one_clock.set(0)


@pytest.fixture(scope="module")
def timed_cluster(one_clock):
    """A PostgreSQL by that clock."""
    with cluster.directory_of_its_own() as directory:
        made = cluster.Cluster(directory, environment=one_clock.environment)
        with cluster.stopped_at_the_end(made):
            yield made.create().start()


@pytest.fixture(params=["sqlite", "postgres"])
def timed_store(request, sqlite_store, timed_cluster):
    """A store with the wrong clock, whether it goes by the server's or by the database's."""
    return sqlite_store if request.param == "sqlite" else postgres.new_database(timed_cluster.url())


@pytest.fixture
def start_timed(start_server, timed_store, clock):
    """A function that starts a server on that store; over PostgreSQL its own clock stays right."""
    environment = {} if timed_store.startswith("postgres") else clock.environment
    return lambda *options: start_server(timed_store, *options, environment=environment)


def said(server, message):
    return [record for record in server.log_records() if record.get("message") == message]


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def assert_times_are_true(server):
    """What took so long by the log was measured by a clock that was not set."""
    took = [float(record["duration_ms"]) for record in server.log_records() if "duration_ms" in record]
    assert took and 0 <= min(took) and max(took) < LONGEST_MS


# MARK: retention


def test_a_clock_that_is_wrong_for_a_moment_takes_nothing(start_timed, clock):
    """The promise of docs/retention.md: a clock that was set leaves the next sweep out, in both directions."""
    server = start_timed(*SWEEPS)

    def times_set():
        return len(said(server, CLOCK_WAS_SET))

    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "young", 4, time=now())
        for ahead in (DAY, -DAY):
            noticed = times_set()
            clock.set(ahead)
            wait_until(lambda: swept(server) or times_set() > noticed, LIMIT, "the jump is noticed")
            clock.set(0)
            assert not swept(server), "something went while the clock was wrong"
            wait_until(lambda: swept(server) or times_set() > noticed + 1, LIMIT, "the way back is noticed")
            assert ids(client, "young") == [checkpoint_id(number) for number in (3, 2, 1, 0)]
        assert not swept(server)
        # Sweeps go on, and take what is old.
        fill(client, "old", 4)
        wait_until(lambda: not ids(client, "old"), LIMIT, "what is old goes")
        assert ids(client, "young") == [checkpoint_id(number) for number in (3, 2, 1, 0)]


def test_a_day_that_really_went_by_takes(start_timed, clock):
    """The same jump, and the clock stays there: then threads are over. So the tests here can fail."""
    server = start_timed(*SWEEPS)
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "young", 4, time=now())
        clock.set(-DAY)
        wait_until(lambda: said(server, CLOCK_WAS_SET), LIMIT, "the jump is noticed")
        # For this clock the thread is of tomorrow.
        fill(client, "old", 2)
        wait_until(lambda: not ids(client, "old"), LIMIT, "a sweep")
        assert len(ids(client, "young")) == 4
        clock.set(DAY)
        wait_until(lambda: not ids(client, "young"), LIMIT, "the thread is over")


def test_over_postgresql_the_server_s_own_clock_takes_nothing(start_server, postgres_store, clock):
    """The database's clock counts, which is right here."""
    server = start_server(postgres_store, *SWEEPS, environment=clock.environment)
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "young", 4, time=now())
        for ahead in (DAY, -DAY):
            clock.set(ahead)
            fill(client, "old", 2)
            wait_until(lambda: not ids(client, "old"), LIMIT, "a sweep")
            assert len(ids(client, "young")) == 4


# MARK: leases

LEASE = "INSERT INTO milepost_leases VALUES ('sweep', 'another', clock_timestamp() + interval '{}')"
END_LEASE = "DELETE FROM milepost_leases WHERE holder = 'another'"


def test_a_lease_is_not_stuck_when_the_database_s_clock_goes_back(start_server, postgres_store):
    """Its holder was killed, and then the clock was set back by a day: the lease ends in a day and a minute."""
    server = start_server(postgres_store, *SWEEPS)
    postgres.execute(postgres_store, END_LEASE, LEASE.format("86460 seconds"))
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "old", 2)
        wait_until(lambda: not ids(client, "old"), LIMIT, "a sweep")


def test_a_lease_is_held_by_one_whatever_the_servers_clocks_say(start_server, postgres_store, clock):
    """Another holds it, for a minute: two servers whose own clocks are a day off do not sweep."""
    servers = [start_server(postgres_store, *SWEEPS, environment=clock.environment) for _ in range(2)]
    wait_until(lambda: postgres.execute(postgres_store, END_LEASE) is None, LIMIT, "the tables are there")
    postgres.execute(postgres_store, LEASE.format("60 seconds"))
    with httpx.Client(base_url=servers[0].base_url) as client:
        fill(client, "old", 2)
        for ahead in (DAY, -DAY):
            clock.set(ahead)
            time.sleep(5)  # Two of their sweeps, which must not be.
            assert len(ids(client, "old")) == 2
        postgres.execute(postgres_store, END_LEASE)
        wait_until(lambda: not ids(client, "old"), LIMIT, "a sweep")


def test_the_lock_of_a_store_knows_no_time(start_server, sqlite_store, clock, tmp_path):
    start_server(sqlite_store)
    clock.set(DAY)
    second = Server(sqlite_store, tmp_path, environment=clock.environment)
    second.launch()
    assert second.wait() != 0
    assert "in use" in second.log_text()


# MARK: keys and tokens


def status_of(server, credential):
    """What a request with this key or token is answered."""
    return wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "t"}, **bearer(credential)).status


def test_keys_last_by_the_clock_as_it_is(start_server, clock, tmp_path):
    """A key is over while the clock is past its expiry, and good again when it is not."""
    keys = KeysFile(tmp_path / "keys.json")
    hour, week, endless = keys.create(expires="1h"), keys.create(expires="7d"), keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path), environment=clock.environment)

    def answers():
        return [status_of(server, key) for key in (hour, week, endless)]

    for ahead, expected in ((0, [200] * 3), (DAY, [401, 200, 200]), (-DAY, [200] * 3), (0, [200] * 3)):
        clock.set(ahead)
        assert answers() == expected, ahead
    # A key that is revoked while the clock is wrong is over all the same.
    clock.set(-DAY)
    keys.revoke(keys.list()[1]["id"])
    wait_until(lambda: answers() == [200, 401, 200], LIMIT, "the key is revoked")


def test_tokens_last_by_the_clock_as_it_is(start_server, clock, tmp_path):
    """`exp` and `nbf` with a minute of leeway; `exp` also of a token that was verified before the clock was set."""
    path = write_private(tmp_path / "jwks.json", key_set(*KEYS.values()))
    server = start_server("memory:", "--jwt-jwks", str(path), *OPTIONS, environment=clock.environment)
    now, key = int(time.time()), KEYS["ES256"]
    hour = token(key, body=claims(exp=now + 3600, iat=0))
    days = token(key, body=claims(exp=now + 2 * DAY, iat=0))

    def answers():
        # Signed each time, so that it has not been seen before.
        from_now = token(key, body=claims(exp=now + 2 * DAY, nbf=now, iat=0))
        return [status_of(server, text) for text in (hour, days, from_now)]

    for ahead, expected in ((0, [200] * 3), (DAY, [401, 200, 200]), (-DAY, [200, 200, 401]), (0, [200] * 3)):
        clock.set(ahead)
        assert answers() == expected, ahead


def test_an_issuer_s_keys_do_not_grow_old_by_a_jump(start_server, clock):
    """Without an answer for 24 hours nobody is let in; a day by the wall clock alone is no such time."""
    key = KEYS["ES256"]
    with KeyServer(key) as issuer:
        server = start_server("memory:", "--jwt-jwks", f"{issuer.url}/jwks", *OPTIONS, environment=clock.environment)
        text = token(key, body=claims(exp=int(time.time()) + 7 * DAY, iat=0))
        issuer.status = 500
        for ahead in (0, 2 * DAY, -2 * DAY):
            clock.set(ahead)
            assert status_of(server, text) == 200, ahead


# MARK: limits


def test_a_rate_is_neither_given_back_nor_withheld_by_a_jump(start_server, clock, tmp_path):
    keys = KeysFile(tmp_path / "keys.json")
    key = keys.create()
    options = ("--api-keys-file", str(keys.path), "--rate-limit", "1")
    server = start_server("memory:", *options, environment=clock.environment)

    for ahead in (DAY, -DAY):
        wait_until(lambda: status_of(server, key) == 429, LIMIT, "the rate is used up")
        clock.set(ahead)
        answers = [status_of(server, key) for _ in range(20)]
        # A full bucket would let two through at once; a few of twenty requests may take a second each here.
        assert answers.count(429) > 10, answers
        wait_until(lambda: status_of(server, key) == 200, LIMIT, "the rate comes back")


def test_connections_and_followers_live_on(start_server, clock, thread_id):
    """Limits of idle connections, of slow bodies and of whole requests are counted by a clock that nobody sets."""
    server = start_server("memory:", "--request-timeout", "60", environment=clock.environment)
    agent = Agent(server, thread_id)
    agent.put("c0")
    expected = ["c0"]
    with contextlib.ExitStack() as stack:
        idle = stack.enter_context(httpx.Client(base_url=server.base_url))
        assert idle.get("/healthz").status_code == 200
        follower = stack.enter_context(Follower(server, thread_id))
        slow = stack.enter_context(wire.connect(server.port))
        body = json.dumps({"thread_id": thread_id}).encode()
        slow.sendall(b"POST /checkpoints/get-tuple HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
        slow.sendall(b"content-length: %d\r\n\r\n" % len(body) + body[:5])
        for number, ahead in enumerate((DAY, -DAY, 30 * DAY, 0), 1):
            clock.set(ahead)
            agent.put(f"c{number}")
            expected.append(f"c{number}")
            follower.wait_for_told([("checkpoint", name) for name in expected[1:]], "checkpoint")
            assert idle.get("/readyz").status_code == 200
        slow.sendall(body[5:])
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert not follower.has_ended.is_set()
    assert_times_are_true(server)


# MARK: what is stored


def test_nothing_is_lost_or_out_of_order_while_the_clock_jumps(start_server, timed_store, clock, seed):
    """Clients write all the while; a follower hears of each checkpoint once, in order; all is there after a restart."""
    options = ("--retain-idle", "36500d", "--sweep-interval", "1s")
    server = start_server(timed_store, *options, environment=clock.environment)
    moments = random.Random(seed)
    agent, told = Agent(server, "followed"), []
    agent.put("begin")
    with Follower(server, "followed") as follower, load.Load(server.port, "jumps", seed, clients=4) as running:
        for number in range(JUMPS):
            clock.set(moments.choice((0, DAY, -DAY, 3600, -3600, 400 * DAY)) + moments.randint(-5, 5))
            agent.put(f"c{number:06}")
            told.append(("checkpoint", f"c{number:06}"))
            time.sleep(moments.uniform(0, 0.1))  # Not to wait for something: the moment of the jump.
        follower.wait_for_told(told, "checkpoint", limit=LIMIT)
    clock.set(-DAY)
    server.restart()
    client = load.Client(server.port)
    for writer in running.writers:
        load.settle(client, writer)
    listed = client.post("list", {"thread_id": "followed", "limit": 1000})[1]
    names = sorted([name for _, name in told] + ["begin"], reverse=True)
    assert [item["checkpoint_id"] for item in listed] == names[:1000]
    assert_times_are_true(server)
    print(f"clock: {JUMPS} jumps, {running.acknowledged} changes acknowledged, 0 lost")
