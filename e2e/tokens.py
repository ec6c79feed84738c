"""JSON Web Tokens and key sets, written by hand: an honest library would not make what attackers send."""

import base64
import hashlib
import hmac
import json
import time
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://issuer.example/"
AUDIENCE = "milepost"


def encoded(data):
    """URL-safe base64 without padding; of a value, its JSON."""
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class RSAKey:
    """Signs RS256."""

    algorithm = "RS256"

    def __init__(self, kid=None):
        self.kid = kid or f"rsa-{uuid.uuid4().hex[:8]}"
        self.private = rsa.generate_private_key(65537, 2048)

    def sign(self, data):
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def sign_pss(self, data):
        return self.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA", "use": "sig", "alg": self.algorithm, "kid": self.kid,
            "n": number(numbers.n), "e": number(numbers.e),
        }


class ECKey:
    """Signs ES256."""

    algorithm = "ES256"

    def __init__(self, kid=None):
        self.kid = kid or f"ec-{uuid.uuid4().hex[:8]}"
        self.private = ec.generate_private_key(ec.SECP256R1())

    def sign_der(self, data):
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    def sign(self, data):
        return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(self.sign_der(data)))

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": self.algorithm, "kid": self.kid,
            "x": number(numbers.x, 32), "y": number(numbers.y, 32),
        }


class EdKey:
    """Signs EdDSA."""

    algorithm = "EdDSA"

    def __init__(self, kid=None):
        self.kid = kid or f"ed-{uuid.uuid4().hex[:8]}"
        self.private = ed25519.Ed25519PrivateKey.generate()

    def sign(self, data):
        return self.private.sign(data)

    def jwk(self):
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": self.algorithm, "kid": self.kid, "x": encoded(raw),
        }


def hmac_signer(secret):
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def key_set(*keys):
    """The JWKS of these keys, as text."""
    return json.dumps({"keys": [key.jwk() for key in keys]})


def claims(**changes):
    """Those of a good token; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "agent-7", "iat": now, "exp": now + 600,
        "tenant": "acme", "scope": "read write delete",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def header(key, **changes):
    good = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key, head=None, body=None, sign=None):
    """A token with these parts, signed by the key or by what is given instead of it."""
    signed = f"{encoded(head or header(key))}.{encoded(claims() if body is None else body)}"
    return f"{signed}.{encoded((sign or key.sign)(signed.encode()))}"
