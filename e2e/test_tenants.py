"""What one tenant has does not exist for another: every call of the API, asked about somebody else's thread."""

import json
import re
import secrets
import uuid

import pytest

import postgres
from conftest import store_url
from security import (
    EVERYTHING,
    REVOCATION_LIMIT,
    Caller,
    KeysFile,
    assert_status,
    b64,
    checkpoint,
    exported,
    fill,
    new_thread,
    plain,
    seen,
    wait_for_status,
    write_private,
)
from server import Server, wait_until
from strangers import CASES, GET, Place

KINDS = ("sqlite", "postgres")
OWNER = "acme"
SIZE = re.compile(rb'"(bytes|stored)":\d+')


class Shared:
    """One server a store with many tenants, of which one has everything that is looked for."""

    def __init__(self, kind, directory):
        self.directory = directory
        self.store = store_url(kind.split()[0], directory)
        self.options = encryption_options(directory) if "encrypted" in kind else ()
        self.keys = KeysFile(directory / "keys.json")
        self.owner_key = self.keys.create(OWNER)
        self.default_key = self.keys.create()
        self.stranger_keys = [self.keys.create(f"tenant-{number:02}") for number in range(2 * len(CASES))]
        self.server = Server(self.store, directory, "--api-keys-file", str(self.keys.path), *self.options).start()

    def caller(self, key, **headers):
        return Caller(self.server, {"authorization": f"Bearer {key}", **headers})


def encryption_options(directory):
    key = {"id": "2026-11", "key": b64(secrets.token_bytes(32))}
    return "--encryption-keys-file", str(write_private(directory / "encryption.json", json.dumps({"keys": [key]})))


@pytest.fixture(scope="module", params=[*KINDS, *(f"{kind} encrypted" for kind in KINDS)])
def shared(request, tmp_path_factory):
    made = Shared(request.param, tmp_path_factory.mktemp(f"tenants-{request.param}"))
    yield made
    if made.server.is_running:
        made.server.stop()


def ask(caller, method, path, content):
    if method == GET:
        return caller.get(path, **content)
    return caller.client.request(method, path, json=content)


def answers(caller, case, place):
    """The answers to a case's requests, with every id of it that differs from case to case put alike."""
    found = []
    for request in case.requests(place):
        status, headers, body = plain(ask(caller, *request))
        assert status < 500, (request, status, body)
        path = request[1]
        for name, stands_for in ((place.run, "RUN"), (place.thread, "THREAD"), (place.own, "OWN")):
            body = body.replace(name.encode(), stands_for.encode())
            path = path.replace(name, stands_for)
        found.append((path, status, headers, body))
    return found


def without_sizes(answered):
    """The same without bytes as stored: what is encrypted twice is compressed to two lengths."""
    return [
        (path, status, [field for field in headers if field[0] != b"content-length"], SIZE.sub(rb'"\1":N', body))
        for path, status, headers, body in answered
    ]


def new_place(thread):
    return Place(thread, f"run-{thread}", new_thread("own"))


# MARK: every endpoint


def test_every_endpoint_has_a_case(shared):
    """A call that is added to the API has to be added to the cases, too."""
    with Caller(shared.server) as caller:
        document = assert_status(caller.get("/openapi.json"), 200).json()
    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    # The answer of one does not end: test_events_servers.py has its case. The other is about the caller.
    others = {("GET", "/threads/{thread_id}/events"), ("GET", "/inspector/caller")}
    assert served - others == {case.endpoint for case in CASES}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_another_tenants_thread_does_not_exist(shared, number):
    """The same bytes as about a thread that nobody has; and what the other tenant has stays as it is."""
    case = CASES[number]
    theirs, absent = new_place(new_thread()), new_place(new_thread())
    first, second = (shared.caller(key) for key in shared.stranger_keys[2 * number : 2 * number + 2])
    with shared.caller(shared.owner_key) as owner, first, second:
        fill(owner, theirs.thread)
        before = seen(owner, theirs.thread), all_of_owner(shared)
        about_theirs, about_nobodys = answers(first, case, theirs), answers(second, case, absent)
        comparable = without_sizes if shared.options else list
        about_theirs, about_nobodys = comparable(about_theirs), comparable(about_nobodys)
        for found, expected in zip(about_theirs, about_nobodys, strict=True):
            assert found == expected
        assert (seen(owner, theirs.thread), all_of_owner(shared)) == before
        if case.shows:
            assert comparable(answers(owner, case, theirs)) != about_theirs, "its owner is answered something else"


def all_of_owner(shared):
    """Every row that the owner has, as an export of the store has them."""
    threads = exported(shared.store, shared.directory, *shared.options)
    return {thread: rows for (tenant, thread), rows in threads.items() if tenant == OWNER}


def test_the_owners_export_is_not_empty(shared):
    """What the test above compares is there."""
    thread = new_thread()
    with shared.caller(shared.owner_key) as owner:
        fill(owner, thread)
    rows = all_of_owner(shared)[thread]
    assert len(rows) > 4 + 4 + 8 and "c3" in "".join(rows)


# MARK: where a tenant could come from


@pytest.mark.parametrize("name", ["tenant", "x-tenant", "x-tenant-id", "x-milepost-tenant", "x-forwarded-user", "x-agent-identity"])
def test_a_header_does_not_choose_the_tenant(shared, name):
    thread = new_thread()
    with shared.caller(shared.owner_key) as owner, shared.caller(shared.stranger_keys[0], **{name: OWNER}) as stranger:
        fill(owner, thread)
        assert stranger.do("get-tuple", {"thread_id": thread}) is None
        assert stranger.do("get-tuple", {"thread_id": thread, "tenant": OWNER, "tenant_id": OWNER}) is None
        assert stranger.get(f"/threads/{thread}", tenant=OWNER).status_code == 404


def test_two_tenants_use_one_id(shared):
    """The same thread, namespaces, checkpoints and blobs in two tenants, written, deleted and written again."""
    thread = new_thread()
    with shared.caller(shared.owner_key) as owner, shared.caller(shared.stranger_keys[1]) as other:
        fill(owner, thread, "of the owner")
        before = seen(owner, thread)
        fill(other, thread, "of the other")
        assert seen(owner, thread) == before
        assert b"of the owner" not in b"".join(body for _, _, body in seen(other, thread))
        other.do("prune", {"thread_ids": [thread]})
        other.do("delete-for-runs", {"run_ids": [f"run-{thread}"]})
        other.do("delete-thread", {"thread_id": thread})
        assert other.do("list", {"thread_id": thread}) == []
        assert seen(owner, thread) == before


def test_what_deletes_and_races_stays_in_its_tenant(shared):
    """An owner's delete leaves the same id of another tenant."""
    thread = new_thread()
    with shared.caller(shared.owner_key) as owner, shared.caller(shared.stranger_keys[2]) as other:
        fill(other, thread)
        before = seen(other, thread)
        fill(owner, thread)
        owner.do("delete-for-runs", {"run_ids": [f"run-{thread}"]})
        assert seen(other, thread) == before
        owner.do("delete-thread", {"thread_id": thread})
        assert seen(other, thread) == before


# MARK: how a tenant is stored

SEPARATORS = ["/", ":", "|", ".", "\x1f", "\x01", " ", "%00", "\\", "\u0000".encode("unicode_escape").decode()]


def test_names_cannot_be_cut_elsewhere(tmp_path, start_server, sqlite_store, postgres_store):
    """Tenant `a`, thread `b/c` is not tenant `a/b`, thread `c`, whatever stands between the two."""
    keys = KeysFile(tmp_path / "keys.json")
    pairs = []
    for separator in SEPARATORS:
        for tenant, thread in (("a", f"b{separator}c"), (f"a{separator}b", "c")):
            ended = keys.run("create", "--tenant", tenant, "--scopes", "read,write")
            if ended.returncode == 0:  # A name that is refused is not cut anywhere.
                pairs.append((ended.stdout.strip(), tenant, thread))
    assert len(pairs) >= 10
    for store in (sqlite_store, postgres_store):
        server = start_server(store, "--api-keys-file", str(keys.path))
        callers = [(Caller.with_key(server, key), tenant, thread) for key, tenant, thread in pairs]
        for caller, tenant, thread in callers:
            caller.do("put", checkpoint(thread, metadata={"of": tenant}))
        for caller, tenant, thread in callers:
            assert caller.do("get-tuple", {"thread_id": thread})["metadata"] == {"of": tenant}
            assert {item["metadata"]["of"] for item in caller.do("list", {"across_threads": True})} == {tenant}
        server.stop()


def test_the_default_tenant_cannot_name_the_rows_of_another(tmp_path, start_server, postgres_store):
    """LangGraph's tables have no tenant: what stands in them as a thread id is asked for, and written to."""
    keys = KeysFile(tmp_path / "keys.json")
    owner_key, default_key = keys.create(OWNER), keys.create()
    server = start_server(postgres_store, "--api-keys-file", str(keys.path))
    with Caller.with_key(server, owner_key) as owner, Caller.with_key(server, default_key) as default:
        fill(owner, "thread")
        before = seen(owner, "thread"), exported(postgres_store, tmp_path)
        stored = {row[0] for row in postgres.query(postgres_store, "SELECT thread_id FROM checkpoints")}
        assert stored
        for name in {*stored, f"{OWNER}/thread", f"{OWNER}:thread"}:
            for call in ("get-tuple", "delete-thread"):
                answer = default.call(call, {"thread_id": name})
                assert answer.status_code == 422 or answer.content in (b"null", b""), answer.text
            found = default.call("list", {"thread_id": name, "include": EVERYTHING})
            assert found.status_code == 422 or found.json() == []
            default.call("put", checkpoint(name, "c9"))
            default.call("prune", {"thread_ids": [name], "strategy": "delete"})
            default.call("delete-thread", {"thread_id": name})
        default.do("delete-for-runs", {"run_ids": ["run-thread"]})
        assert default.do("list", {"across_threads": True}) == []
        assert default.get("/threads").json() == {"threads": []}
        assert (seen(owner, "thread"), exported(postgres_store, tmp_path)) == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_tenant_is_what_a_database_held(tmp_path, start_server, kind):
    """A store that was used without authentication is the default tenant's afterwards, and nobody else's."""
    store, keys = store_url(kind, tmp_path), KeysFile(tmp_path / "keys.json")
    open_server = start_server(store)
    with Caller(open_server) as anybody:
        fill(anybody, "old")
        before = seen(anybody, "old")
    open_server.stop()
    default_key, other_key = keys.create(), keys.create("newcomer")
    server = start_server(store, "--api-keys-file", str(keys.path))
    with Caller.with_key(server, default_key) as default, Caller.with_key(server, other_key) as newcomer:
        assert seen(default, "old") == before
        assert newcomer.do("list", {"across_threads": True}) == []
        fill(newcomer, "old", "of the newcomer")
        assert seen(default, "old") == before
    server.stop()
    again = start_server(store)
    with Caller(again) as anybody:
        assert seen(anybody, "old") == before
        assert [thread["thread_id"] for thread in anybody.get("/threads").json()["threads"]] == ["old"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_tenant_begins_empty(tmp_path, start_server, kind):
    """A key that is made while the server runs sees nothing that was there."""
    store, keys = store_url(kind, tmp_path), KeysFile(tmp_path / "keys.json")
    first_key = keys.create(OWNER)
    server = start_server(store, "--api-keys-file", str(keys.path))
    with Caller.with_key(server, first_key) as owner:
        fill(owner, f"thread-{uuid.uuid4().hex}")
    with Caller.with_key(server, keys.create("late")) as late:
        wait_for_status(late, 200)
        assert late.do("list", {"across_threads": True}) == []
        assert late.get("/threads").json() == {"threads": []}
    with Caller.with_key(server, keys.create(OWNER)) as second:
        wait_until(lambda: second.get("/threads").status_code == 200, 2 * REVOCATION_LIMIT, "the second key is taken")
        assert len(second.get("/threads").json()["threads"]) == 1
