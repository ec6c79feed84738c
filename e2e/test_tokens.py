"""JSON Web Tokens: good ones, and what attackers make of them."""

import json
import threading
import time

import pytest

import wire
from provider import Service
from security import RELOAD_LIMIT, Caller, assert_no_credential, checkpoint, fill, new_thread, write_private
from server import Server, wait_until
from tokens import (
    AUDIENCE,
    ISSUER,
    ECKey,
    EdKey,
    RSAKey,
    claims,
    encoded,
    header,
    hmac_signer,
    key_set,
    token,
)

OPTIONS = ("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
KEYS = {"RS256": RSAKey("rsa-1"), "ES256": ECKey("ec-1"), "EdDSA": EdKey("ed-1")}
STRANGER = {"RS256": RSAKey("rsa-1"), "ES256": ECKey("ec-1"), "EdDSA": EdKey("ed-1")}
QUESTION = {"thread_id": "nobody"}


@pytest.fixture(scope="module")
def issuer_server(tmp_path_factory):
    """A server that takes tokens of one issuer."""
    directory = tmp_path_factory.mktemp("tokens")
    path = write_private(directory / "jwks.json", key_set(*KEYS.values()))
    running = Server("memory:", directory, "--jwt-jwks", str(path), *OPTIONS, "--behind-tls-proxy").start()
    yield running
    running.stop()


SOURCES = iter(range(1, 1 << 20))


def status(server, credential, **headers):
    """What a request with this token is answered; each comes from another client's address, so that none is throttled."""
    source = next(SOURCES)
    address = f"10.{source >> 16}.{source >> 8 & 255}.{source & 255}"
    answer = wire.post(
        server.port, "/checkpoints/get-tuple", QUESTION,
        **{"authorization": f"Bearer {credential}", "x_forwarded_for": address, **headers},
    )
    return answer.status


# MARK: good ones


@pytest.mark.parametrize("algorithm", KEYS)
def test_each_algorithm(issuer_server, algorithm):
    assert status(issuer_server, token(KEYS[algorithm])) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["other", AUDIENCE]},
        {"exp": -20},
        {"nbf": 20},
        {"iat": 20},
        {"exp": 600.5},
        {"extra": {"nested": [1, 2]}},
        {"iat": None},
    ],
    ids=str,
)
def test_a_good_token_may_say(issuer_server, changes):
    """Clocks may differ by some seconds; times, which are from now on here, may have fractions; an audience may be one of several."""
    now = int(time.time())
    dated = {name: now + value if isinstance(value, (int, float)) else value for name, value in changes.items()}
    assert status(issuer_server, token(KEYS["ES256"], body=claims(**dated))) == 200


def test_a_token_without_a_kid(issuer_server):
    """One key of the set fits the algorithm, so it is known which."""
    key = KEYS["EdDSA"]
    assert status(issuer_server, token(key, header(key, kid=None))) in (200, 401)
    stranger = STRANGER["EdDSA"]
    assert status(issuer_server, token(stranger, header(stranger, kid=None))) == 401


# MARK: bad claims


BAD_CLAIMS = {
    "expired": {"exp": int(time.time()) - 3600},
    "no expiry": {"exp": None},
    "expiry as text": {"exp": str(int(time.time()) + 600)},
    "expiry as a list": {"exp": [int(time.time()) + 600]},
    "expiry null": {"exp": [None]},
    "expiry negative": {"exp": -1},
    "not yet": {"nbf": int(time.time()) + 3600},
    "of another issuer": {"iss": "https://evil.example/"},
    "issuer begins alike": {"iss": ISSUER + "x"},
    "issuer without slash": {"iss": ISSUER.rstrip("/")},
    "issuer in other case": {"iss": ISSUER.upper()},
    "issuer a list": {"iss": [ISSUER]},
    "no issuer": {"iss": None},
    "for another": {"aud": "other"},
    "for others": {"aud": ["other", "third"]},
    "for nobody": {"aud": []},
    "audience begins alike": {"aud": AUDIENCE + "-admin"},
    "audience nested": {"aud": [[AUDIENCE]]},
    "audience an object": {"aud": {AUDIENCE: True}},
    "no audience": {"aud": None},
    "no tenant": {"tenant": None},
    "tenant a list": {"tenant": ["acme"]},
    "tenant a number": {"tenant": 7},
    "tenant an object": {"tenant": {"name": "acme"}},
    "tenant with NUL": {"tenant": "ac\0me"},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_bad_claims(issuer_server, name):
    for key in KEYS.values():
        assert status(issuer_server, token(key, body=claims(**BAD_CLAIMS[name]))) == 401, key.algorithm


@pytest.mark.parametrize("body", [[], "text", 7, None, {}], ids=repr)
def test_a_payload_that_is_no_object_of_claims(issuer_server, body):
    key = KEYS["ES256"]
    signed = f"{encoded(header(key))}.{encoded(json.dumps(body).encode())}"
    assert status(issuer_server, f"{signed}.{encoded(key.sign(signed.encode()))}") == 401


def test_a_claim_twice_does_not_help(issuer_server):
    """Two readers of one token must not disagree: whichever counts, both are wrong somewhere."""
    key, good = KEYS["ES256"], json.dumps(claims())
    for text in (
        good[:-1] + ', "aud": "other"}', '{"aud": "other", ' + good[1:].replace(f'"aud": "{AUDIENCE}", ', ""),
    ):
        signed = f"{encoded(header(key))}.{encoded(text.encode())}"
        assert status(issuer_server, f"{signed}.{encoded(key.sign(signed.encode()))}") == 401


# MARK: bad signatures


def tampered():
    """Tokens whose signature does not make them good, by name."""
    rsa, ec, ed = KEYS["RS256"], KEYS["ES256"], KEYS["EdDSA"]
    nothing = lambda data: b""  # noqa: E731
    found = {
        f"none as {word}": token(rsa, {"alg": word, "typ": "JWT", "kid": rsa.kid}, sign=nothing)
        for word in ("none", "None", "NONE", "nOnE", "")
    }
    modulus = rsa.private.public_key().public_numbers().n.to_bytes(256, "big")
    x = rsa.jwk()["n"].encode()
    for name, secret in {
        "pem": rsa.public_pem(), "pem stripped": rsa.public_pem().strip(), "modulus": modulus, "n": x, "empty": b"",
        "jwk": json.dumps(rsa.jwk()).encode(), "jwks": key_set(*KEYS.values()).encode(), "x": ed.jwk()["x"].encode(),
    }.items():
        for algorithm in ("HS256", "hs256"):
            found[f"{algorithm} with {name}"] = token(rsa, header(rsa, alg=algorithm), sign=hmac_signer(secret))
        found[f"claims RS256, is HMAC with {name}"] = token(rsa, sign=hmac_signer(secret))
    for name, key in STRANGER.items():
        found[f"{name} of a stranger's key"] = token(key)
    good = token(ec)
    first, second, third = good.split(".")
    found |= {
        "another's kid": token(ec, header(ec, kid=rsa.kid)),
        "algorithm of another key": token(ec, header(ec, alg="RS256", kid=rsa.kid)),
        "not allowed algorithm": token(rsa, header(rsa, alg="PS256"), sign=rsa.sign_pss),
        "RS512": token(rsa, header(rsa, alg="RS512")),
        "DER instead of raw": token(ec, sign=ec.sign_der),
        "zeros": token(ec, sign=lambda data: bytes(64)),
        "r of zero": token(ec, sign=lambda data: bytes(32) + b"\1" * 32),
        "short": token(ec, sign=lambda data: ec.sign(data)[:63]),
        "long": token(ec, sign=lambda data: ec.sign(data) + b"\0"),
        "Ed25519 zeros": token(ed, sign=lambda data: bytes(64)),
        "no signature": f"{first}.{second}.",
        "two parts": f"{first}.{second}",
        "five parts": f"{good}.{first}.{second}",
        "four parts": f"{good}.x",
        "other payload": f"{first}.{encoded(claims(tenant='victim'))}.{third}",
        "standard base64": f"{first}=.{second}.{third}",
        "white space inside": f"{first} .{second}.{third}",
        "no header": f".{second}.{third}",
        "header no JSON": f"{encoded(b'hello')}.{second}.{third}",
        "header a list": f"{encoded([])}.{second}.{third}",
        "dots": "..",
        "a megabyte": f"{first}.{'A' * 12_000}.{third}",
        "deep": token(ec, body={**claims(), "x": json.loads("[" * 300 + "]" * 300)}, sign=STRANGER["ES256"].sign),
    }
    return found


TAMPERED = tampered()


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_token(issuer_server, name):
    assert status(issuer_server, TAMPERED[name]) in (400, 401, 431)
    assert status(issuer_server, token(KEYS["ES256"])) == 200


@pytest.mark.parametrize(
    "kid",
    [
        "unknown", "", "../../../../dev/null", "/dev/null", "../../../../etc/passwd", "file:///dev/null", "' OR '1'='1",
        "rsa-1\0", "rsa-1 ", "RSA-1", "$(id)", "x" * 3000, 7, None, ["rsa-1"], {"a": "b"},
    ],
    ids=lambda kid: repr(kid)[:24],
)
def test_a_kid_names_a_key_and_nothing_else(issuer_server, kid):
    """No file, no query; with an empty key it would be signed by anybody."""
    head = {"typ": "JWT", "kid": kid}
    for algorithm, sign in (("HS256", hmac_signer(b"")), ("RS256", STRANGER["RS256"].sign), ("ES256", lambda d: bytes(64))):
        assert status(issuer_server, token(None, {**head, "alg": algorithm}, claims(), sign)) == 401


def test_a_token_does_not_bring_its_own_key(issuer_server):
    """Neither in it nor at an address that it names; and nobody goes there."""
    stranger = STRANGER["RS256"]
    with Service(lambda asked: (200, json.loads(key_set(stranger)))) as evil:
        for extra in (
            {"jwk": stranger.jwk()}, {"jku": f"{evil.url}/jwks"}, {"x5u": f"{evil.url}/cert"}, {"x5c": ["MIIB"]},
            {"jku": f"{evil.url}/jwks", "kid": stranger.kid}, {"kid": f"{evil.url}/jwks"}, {"iss": evil.url},
        ):
            assert status(issuer_server, token(stranger, {**header(stranger), **extra})) == 401
        assert status(issuer_server, token(stranger, body=claims(iss=evil.url))) == 401
        time.sleep(0.5)
        assert evil.asked == []


@pytest.mark.parametrize("critical", [["exp"], ["b64"], ["unknown"], "exp", []], ids=repr)
def test_what_is_critical_and_unknown_is_refused(issuer_server, critical):
    key = KEYS["ES256"]
    assert status(issuer_server, token(key, {**header(key), "crit": critical, "unknown": 1, "b64": False})) == 401


# MARK: what a token lets one do


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "deletes"),
    [
        ("read", 200, 403, 403),
        ("write", 403, 200, 403),
        ("read delete", 200, 403, 204),
        ("milepost:read milepost:write", 200, 200, 403),
        (["read", "write"], 200, 200, 403),
        ("openid profile", 403, 403, 403),
        ("reader Write READ", 403, 403, 403),
        ("", 403, 403, 403),
        (None, 403, 403, 403),
        (7, 403, 403, 403),
        ({"read": True}, 403, 403, 403),
        ("milepost: read", 200, 403, 403),
    ],
    ids=str,
)
def test_scopes(issuer_server, scope, reads, writes, deletes):
    credential = token(KEYS["EdDSA"], body=claims(scope=scope))
    with Caller.with_key(issuer_server, credential) as caller:
        found = (
            caller.call("get-tuple", QUESTION).status_code,
            caller.call("put", checkpoint(new_thread())).status_code,
            caller.call("delete-thread", {"thread_id": new_thread()}).status_code,
        )
    # A claim that is no text may make the whole token one that is not understood.
    assert found == (reads, writes, deletes) or (not isinstance(scope, str) and found == (401, 401, 401))


def test_tenants_come_from_the_claim(issuer_server):
    thread = new_thread()
    one, other, default = (token(KEYS["ES256"], body=claims(tenant=name)) for name in ("acme", "other", ""))
    with Caller.with_key(issuer_server, one) as owner, Caller.with_key(issuer_server, other) as stranger:
        fill(owner, thread)
        assert stranger.do("get-tuple", {"thread_id": thread}) is None
        assert owner.do("get-tuple", {"thread_id": thread})["checkpoint_id"] == "c3"
    # An empty tenant must not become the default one, in which an old database's threads are, unless told so.
    assert status(issuer_server, default) in (200, 401)


def test_a_token_is_a_bearer_token_alone(issuer_server):
    credential = token(KEYS["ES256"])
    for name in ("x-api-key", "x-agent-api-key", "cookie", "x-authorization", "proxy-authorization"):
        with Caller(issuer_server, {name: credential, "x-forwarded-for": "192.0.2.9"}) as caller:
            assert_no_credential(caller.call("get-tuple", QUESTION))
    with Caller(issuer_server, {"x-forwarded-for": "192.0.2.10"}) as caller:
        answer = caller.client.post(f"/checkpoints/get-tuple?access_token={credential}", json=QUESTION)
        assert_no_credential(answer)


# MARK: the keys of the issuer


def test_a_file_of_keys_is_read_again(start_server, tmp_path):
    old, new = ECKey("old"), ECKey("new")
    path = write_private(tmp_path / "jwks.json", key_set(old))
    server = start_server("memory:", "--jwt-jwks", str(path), *OPTIONS, "--behind-tls-proxy")
    assert (status(server, token(old)), status(server, token(new))) == (200, 401)
    write_private(path, key_set(new))
    wait_until(lambda: status(server, token(new)) == 200, RELOAD_LIMIT, "the new key is taken")
    wait_until(lambda: status(server, token(old)) == 401, RELOAD_LIMIT, "the old key is not taken any more")


class KeyServer(Service):
    """Serves a key set that can be exchanged."""

    def __init__(self, *keys):
        self.keys = keys
        self.status = 200
        super().__init__(lambda asked: (self.status, json.loads(key_set(*self.keys))))


def test_keys_from_a_url_rotate(start_server):
    old, new = ECKey("old"), ECKey("new")
    with KeyServer(old) as issuer:
        server = start_server("memory:", "--jwt-jwks", f"{issuer.url}/jwks", *OPTIONS, "--behind-tls-proxy")
        assert status(server, token(old)) == 200
        issuer.keys = (old, new)
        # A kid that is not known makes the set be fetched again; not more often than once in some time.
        wait_until(lambda: status(server, token(new)) == 200, 45, "the new key is taken")
        assert status(server, token(old)) == 200
        # What cannot be fetched for a while does not stop whoever has a good token.
        issuer.status = 500
        assert status(server, token(new)) == 200


def test_unknown_keys_do_not_make_a_storm(start_server):
    """A thousand invented kids: the issuer is asked a few times at most."""
    key, stranger = ECKey("good"), ECKey("bad")
    with KeyServer(key) as issuer:
        server = start_server("memory:", "--jwt-jwks", f"{issuer.url}/jwks", *OPTIONS, "--behind-tls-proxy")
        assert status(server, token(key)) == 200
        credentials = [token(stranger, header(stranger, kid=f"k{number}")) for number in range(300)]
        workers = [
            threading.Thread(target=lambda part: [status(server, text) for text in part], args=(credentials[at::8],))
            for at in range(8)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(issuer.asked) < 15
        assert status(server, token(key)) == 200


@pytest.mark.parametrize("reply", ["refused", "500", "no JSON", "redirect", "huge", "empty"])
def test_without_keys_nobody_gets_in(start_server, reply):
    """A set that cannot be had is no open door: the server does not start, or refuses everybody."""
    key = ECKey("good")
    with KeyServer(key) as other:
        replies = {
            "500": (500, json.loads(key_set(key))),
            "no JSON": (200, b"<html>"),
            "redirect": (302, {}, {"location": f"{other.url}/jwks"}),
            "huge": (200, b" " * (64 << 20) + key_set(key).encode()),
            "empty": (200, {"keys": []}),
        }
        with Service(lambda asked: replies[reply]) as issuer:
            if reply == "refused":
                issuer.stop()
            try:
                server = start_server("memory:", "--jwt-jwks", f"{issuer.url}/jwks", *OPTIONS, "--behind-tls-proxy")
            except AssertionError as error:
                assert "ended with" in str(error)
                return
            assert status(server, token(key)) == 401
            assert server.peak_resident_bytes() < 300 << 20
            assert reply != "redirect" or other.asked == []
