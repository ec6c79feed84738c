"""Keys, callers and servers behind access control, for the tests that attack them."""

import base64
import json
import os
import uuid
from dataclasses import dataclass, field

import httpx
import zstandard

import wire
from server import Server, wait_until
from test_startup import milepost

ALL_SCOPES = "read,write,delete"
# A key that is revoked, a file that was exchanged: the server has seen it by then.
RELOAD_LIMIT = 4.0
REVOCATION_LIMIT = 2.0
NO_CREDENTIAL = "Unauthorized: send a credential, "
# What differs between any two answers.
OF_ONE_ANSWER = ("x-request-id", "date")


# MARK: keys


@dataclass(frozen=True)
class KeysFile:
    """A file of keys, changed by the command that operators use."""

    path: object
    environment: dict = field(default_factory=dict)

    def run(self, *arguments):
        return milepost("keys", *arguments, "--keys-file", self.path, environment=self.environment)

    def create(self, tenant=None, scopes=ALL_SCOPES, **options):
        """Makes a key; `thread_prefix` stands for --thread-prefix."""
        named = {"tenant": tenant, "scopes": scopes, **options}
        words = [
            word
            for name, value in named.items()
            if value is not None
            for word in (f"--{name.replace('_', '-')}", value)
        ]
        ended = self.run("create", *words)
        assert ended.returncode == 0, ended.stderr
        [key] = ended.stdout.split()
        return key

    def list(self):
        """All keys of the file as --json gives them."""
        ended = self.run("list", "--json")
        assert ended.returncode == 0, ended.stderr
        listed = json.loads(ended.stdout)
        return listed["keys"] if isinstance(listed, dict) else listed

    def id_of(self, note):
        [found] = [key["id"] for key in self.list() if key.get("note") == note]
        return found

    def revoke(self, identifier):
        ended = self.run("revoke", identifier)
        assert ended.returncode == 0, ended.stderr


# MARK: callers


def bearer(credential):
    return {"authorization": f"Bearer {credential}"}


class Caller:
    """Somebody who calls one server with the same headers each time."""

    def __init__(self, server, headers=None, **options):
        self.client = httpx.Client(
            base_url=server.base_url, headers=headers or {}, timeout=wire.TIMEOUT, trust_env=False, **options
        )

    @classmethod
    def with_key(cls, server, key, **options):
        return cls(server, bearer(key), **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def call(self, name, body, **headers):
        """POSTs to one of the calls and gives the answer."""
        named = {header.replace("_", "-"): value for header, value in headers.items()}
        return self.client.post(f"/checkpoints/{name}", json=body, headers=named)

    def get(self, path, **parameters):
        return self.client.get(path, params=parameters or None)

    def do(self, name, body):
        """The same for a call that has to be answered with a success; gives what is in it."""
        answer = self.call(name, body)
        assert answer.status_code in (200, 204), f"{name}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.status_code == 200 else None


def assert_status(answer, *statuses):
    """The status is one of these."""
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text[:500]}"
    return answer


def assert_unauthorized(answer):
    """Refused as a bad credential is: nothing is said of why."""
    assert_status(answer, 401)
    assert answer.json() == {"detail": "Unauthorized"}
    assert answer.headers["www-authenticate"] == "Bearer"


def assert_no_credential(answer):
    """Refused as somebody is who says nothing of who they are."""
    assert_status(answer, 401)
    assert answer.json()["detail"].startswith(NO_CREDENTIAL)
    assert answer.headers["www-authenticate"] == "Bearer"


def plain(answer):
    """What two answers to the same question have in common, byte for byte."""
    headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in OF_ONE_ANSWER]
    return answer.status_code, headers, answer.content


def wait_for_status(caller, status, limit=RELOAD_LIMIT):
    """Asks until the answer has that status: a file was changed, and the server looks at it every now and then."""
    wait_until(
        lambda: caller.call("get-tuple", {"thread_id": "nobody"}).status_code == status, limit, f"answers are {status}"
    )


# MARK: threads


def new_thread(kind="thread"):
    return f"{kind}-{uuid.uuid4().hex}"


def b64(data):
    return base64.b64encode(data).decode()


def checkpoint(thread, checkpoint_id="c1", **more):
    """The body of a put."""
    return {"thread_id": thread, "checkpoint_id": checkpoint_id, "checkpoint": {"id": checkpoint_id}, **more}


def fill(caller, thread, secret="content", run_id=None):
    """A thread with all there is: namespaces, blobs, writes, metadata, a delta channel, a parent."""
    for number, namespace in ((1, ""), (2, ""), (3, ""), (2, "child")):
        name = f"c{number}"
        versions = {"messages": f"{number}", "count": "1"}
        blobs = [
            {"channel": "messages", "version": f"{number}", "type": "bytes", "blob": b64(f"{secret} {name}".encode())},
            {"channel": "count", "version": "1", "type": "bytes", "blob": b64(secret.encode())},
        ]
        caller.do(
            "put",
            {
                "thread_id": thread,
                "checkpoint_ns": namespace,
                "checkpoint_id": name,
                "parent_checkpoint_id": f"c{number - 1}" if number > 1 else None,
                "checkpoint": {"v": 4, "id": name, "ts": "2026-11-26T00:00:00+00:00", "channel_versions": versions},
                "metadata": {"run_id": run_id or f"run-{thread}", "secret": secret, "step": number},
                "blobs": blobs,
            },
        )
        write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "bytes", "blob": b64(secret.encode())}
        place = {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": name}
        caller.do("put-writes", {**place, "writes": [write, {**write, "idx": 1, "channel": "other"}]})


EVERYTHING = ["blobs", "pending_writes", "task_path", "parent_sends"]


def seen(caller, thread):
    """What its owner sees of a thread, in every way there is to look at it."""
    whole = caller.call("list", {"thread_id": thread, "include": EVERYTHING, "limit": 1000})
    summary = caller.get(f"/threads/{thread}")
    latest = caller.call("get-tuple", {"thread_id": thread, "include": EVERYTHING})
    return [plain(answer) for answer in (whole, summary, latest)]


def exported(store, directory, *options):
    """Every thread of a store by (tenant, thread id): its rows as `milepost export` writes them."""
    file = directory / f"export-{uuid.uuid4().hex}.zst"
    ended = milepost("export", "--store", store, "--output", file, *options)
    assert ended.returncode == 0, ended.stderr
    threads, rows = {}, None
    with file.open("rb") as compressed:
        text = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True).read().decode()
    for line in text.splitlines():
        parsed = json.loads(line)
        if "thread" in parsed:
            rows = threads[parsed["thread"]["tenant"], parsed["thread"]["thread_id"]] = []
        elif rows is not None and "complete" not in parsed:
            rows.append(line)
    assert "complete" in json.loads(text.splitlines()[-1])
    file.unlink()
    return threads


# MARK: servers


class SecureServer(Server):
    """A milepost that speaks TLS; `verify` is the SSL context that trusts it."""

    def __init__(self, store, directory, verify, *options, environment=None):
        super().__init__(store, directory, *options, environment=environment)
        self.base_url = f"https://127.0.0.1:{self.port}"
        self.verify = verify

    def is_ready(self):
        assert self.process.poll() is None, f"milepost ended with {self.process.returncode}:\n{self.log_text()}"
        try:
            return httpx.get(f"{self.base_url}/readyz", verify=self.verify, timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def resident_bytes(server):
    """The physical memory that the process has now."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1]) * 1024


def write_private(path, text):
    """Writes a file that only its owner may read, in one step as far as a reader can tell."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.chmod(0o600)
    os.replace(beside, path)
    return path
