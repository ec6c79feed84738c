"""Fail-over: a primary and a synchronous standby, one Milepost with both in its connection string, and clients at work."""

import contextlib
import time

import pytest

import cluster
import patient
import postgres
from server import wait_until

pytestmark = pytest.mark.breaking

RECOVERY_LIMIT = 10.0


class Pair:
    """A primary that acknowledges nothing that its standby does not have."""

    def __init__(self, primary, standby):
        self.primary = primary
        self.standby = standby

    def new_database(self):
        """The connection string of an empty database, with both hosts."""
        url = postgres.new_database(self.primary.url())
        return url.replace(f":{self.primary.port}/", f":{self.primary.port},127.0.0.1:{self.standby.port}/")

    def wait_until_synchronous(self):
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: postgres.query(self.primary.url(), state) == [("sync",)], 20, "the standby is synchronous")


@pytest.fixture
def pair():
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(cluster.throwaway())
        directory = stack.enter_context(cluster.directory_of_its_own())
        standby = stack.enter_context(cluster.stopped_at_the_end(primary.make_standby(directory))).start()
        # Set after the copy was made: the standby, once it is promoted, has nobody to wait for.
        names = "ALTER SYSTEM SET synchronous_standby_names = '*'"
        postgres.execute(primary.url(), names, "SELECT pg_reload_conf()")
        found = Pair(primary, standby)
        found.wait_until_synchronous()
        yield found


def wait_for_everybody(running, since=None, limit=RECOVERY_LIMIT):
    moment = since or time.monotonic()
    left = moment + limit - time.monotonic()
    wait_until(lambda: running.all_have_stored_since(moment), left, "every client stores something")


def test_the_primary_is_killed_and_the_standby_promoted(start_server, pair, seed):
    """Counted from the kill: within ten seconds everybody stores again, and everything acknowledged is there."""
    server = start_server(pair.new_database())
    with patient.PatientLoad(server.port, "failover", seed) as running:
        wait_until(lambda: running.acknowledged > 100, 30, "a hundred changes are stored")
        killed = time.monotonic()
        pair.primary.kill()
        pair.standby.promote()
        wait_for_everybody(running, since=killed)
        wait_for_everybody(running)
    patient.check(server.port, running.writers)
    assert postgres.password_of(pair.primary.url()) not in server.log_text()


def test_the_primary_is_found_behind_its_standby(start_server, pair, seed):
    """A host that only reads is passed over, though it is named first."""
    url = postgres.new_database(pair.primary.url())
    # What the standby has written it has not always applied, and an unknown database is where libpq gives up.
    known = "SELECT count(*) FROM pg_database WHERE datname = %s"
    name = (postgres.database_of(url),)
    wait_until(lambda: postgres.value(pair.standby.url(), known, name), 20, "the standby knows the database")
    server = start_server(
        url.replace(f":{pair.primary.port}/", f":{pair.standby.port},127.0.0.1:{pair.primary.port}/")
    )
    with patient.PatientLoad(server.port, "second", seed) as running:
        wait_for_everybody(running)
    assert running.refused == 0
    patient.check(server.port, running.writers)


def test_a_commit_that_no_standby_has_is_not_acknowledged(start_server, pair, seed):
    """The standby is frozen, and everybody's statements are cancelled over and over.

    PostgreSQL answers a cancelled wait for its standby with success, and says in a warning that the commit may not be
    replicated. Whoever takes that for an acknowledgement has lost the change when the primary is lost.
    """
    url = pair.new_database()
    server = start_server(url)
    with patient.PatientLoad(server.port, "frozen", seed) as running:
        wait_for_everybody(running)
        pair.standby.freeze()
        try:
            cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            for _ in range(10):
                count = wait_until(lambda: postgres.value(pair.primary.url(), cancel), 20, "a commit waits")
                assert count > 0
            wait_until(lambda: running.refused > 0, patient.ANSWER_LIMIT, "a client is told to come back")
            pair.primary.kill()
        finally:
            pair.standby.thaw()
        pair.standby.promote()
        wait_for_everybody(running)
    patient.check(server.port, running.writers)


def test_the_standby_is_away_for_a_while(start_server, pair, seed):
    """Nothing can be acknowledged without it: everybody is told so in time, and goes on when it is back."""
    server = start_server(pair.new_database())
    with patient.PatientLoad(server.port, "away", seed) as running:
        wait_for_everybody(running)
        pair.standby.stop()
        stopped = time.monotonic()
        wait_until(lambda: running.refused > 0, patient.ANSWER_LIMIT, "a client is told to come back")
        assert all(writer.times[-1] < stopped + 1 for writer in running.writers)
        pair.standby.start()
        wait_for_everybody(running)
    patient.check(server.port, running.writers)
