"""An OAuth issuer as far as a resource server sees one: the keys, where they stand, and tokens signed with them."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://login.example.com/tenant"
KEYS_AT = "https://login.example.com/tenant/keys"
RESOURCE = "https://kling.example.com/mcp"

# Made once: an RSA key takes a moment.
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGERS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> bytes:
    """The public RSA key as text, which everybody has."""
    return RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """Answers for `KEYS_AT`; `asked` counts how often."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None
        self.keys: list[dict[str, Any]] = [
            {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa-1", "use": "sig"},
            {**RSAAlgorithm.to_jwk(OTHER_RSA_KEY.public_key(), as_dict=True), "kid": "rsa-2", "alg": "RS256"},
            {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec-1"},
        ]
        self.body: bytes | None = None

    async def fetch(self, url: str) -> bytes:
        """What stands at the address."""
        assert url == KEYS_AT
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a change to None leaves a claim out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "anna",
        "client_id": "assistant",
        "scope": "elements other",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "rsa-1", headers: Any = None, **changes: Any
) -> str:
    """A token, signed."""
    named = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={**named, **(headers or {})})
