"""OAuth 2.1 as a resource server: which tokens count, what refusals say, and how the issuer's keys are come by."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from mcp.server.auth.middleware.auth_context import get_access_token
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import House, bearer, calling, initializing, kling, message
from hosting.issuer import (
    EC_KEY,
    ISSUER,
    KEYS_AT,
    OTHER_RSA_KEY,
    RESOURCE,
    STRANGERS_KEY,
    Issuer,
    claims,
    public_pem,
    token,
)
from kling_mcp.server.http import auth as access
from kling_mcp.server.http.jwks import ALGORITHMS, KEPT_SECONDS, JwksCache, KeysUnavailableError
from kling_mcp.server.http.jwt_tokens import LEEWAY_SECONDS, JwtVerifier
from kling_mcp.settings.hosting import HostingSettings, OAuthSettings
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

OAUTH = OAuthSettings(issuer=ISSUER, jwks_url=KEYS_AT, audience=RESOURCE, resource=RESOURCE, scopes=("elements",))
HOSTED = HostingSettings(oauth=OAUTH, allowed_hosts=("kling.example.com",))
METADATA = "https://kling.example.com/.well-known/oauth-protected-resource/mcp"
LIST = message("tools/list")


@pytest.fixture
def clock() -> VirtualClock:
    """Tokens are made, and their times are checked, by the computer's clock."""
    return VirtualClock(time.time() + 3)  # it stands still while a test works


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def verifier(issuer: Issuer, clock: VirtualClock) -> JwtVerifier:
    return JwtVerifier(OAUTH, JwksCache(KEYS_AT, clock, issuer.fetch))


@pytest.fixture
async def house(serve: Serve, verifier: JwtVerifier) -> AsyncIterator[House]:
    """A server that asks who calls, known as kling.example.com."""
    everywhere = "0.0.0.0"  # noqa: S104 - with names and a way to sign in
    address = "https://kling.example.com"
    async with serve(hosting=HOSTED, host=everywhere, address=address, verifier=verifier) as made:
        yield made


def unsigned(algorithm: str, **changes: Any) -> str:
    """A token that nobody signed."""
    header = {"alg": algorithm, "typ": "JWT", "kid": "rsa-1"}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims(**changes)))
    return b".".join([*parts, b""]).decode()


def signed_with_what_everybody_has(algorithm: str = "HS256") -> str:
    """The public key taken for a shared secret, as a careless verifier would."""
    body = unsigned(algorithm).rstrip(".")
    digest = hmac.new(public_pem(), body.encode(), "sha256").digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def with_other_words() -> str:
    """A good token, in which somebody else was written."""
    head, _, signature = token().split(".")
    return f"{head}.{unsigned('RS256', sub='otto').split('.')[1]}.{signature}"


# In front of good keys; some name themselves as a stranger's key is named.
ODD_KEYS: list[Any] = [
    None,
    7,
    "key",
    [],
    {},
    {"kty": "RSA", "kid": "odd"},
    {"kty": "RSA", "kid": "odd", "n": 5, "e": "AQAB"},
    {"kty": "RSA", "kid": "odd", "n": "", "e": ""},
    {"kty": "RSA", "kid": "odd", "n": "AA", "e": "AA"},
    {"kty": "RSA", "kid": "odd", "n": {"a": 1}, "e": None},
    {"kty": "EC", "crv": "P-256", "kid": "odd", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": ["P-256"], "kid": "odd"},
    {"kty": "OKP", "crv": "Ed448", "kid": "odd", "x": "AA"},
    {"kty": "OKP", "crv": "X25519", "kid": "odd", "x": "AA"},
    {"kty": ["RSA"], "kid": {"a": 1}},
    {"kty": "RSA", "use": ["sig"], "kid": "odd"},
    {"kty": "RSA", "key_ops": "verify", "kid": "odd"},
    {"kty": "RSA", "alg": ["RS256"], "kid": "odd"},
    {"kty": "oct", "k": "AAAA", "kid": "rsa-1"},
    {**RSAAlgorithm.to_jwk(STRANGERS_KEY, as_dict=True), "kid": "private"},
]
PAST = int(time.time()) - LEEWAY_SECONDS - 60
REFUSED: dict[str, Callable[[], str]] = {
    "expired": lambda: token(exp=PAST),
    "not yet valid": lambda: token(nbf=int(time.time()) + 3600),
    "issued in the future": lambda: token(iat=int(time.time()) + 3600),
    "without an end": lambda: token(exp=None),
    "for another audience": lambda: token(aud="https://other.example.com/mcp"),
    "for a part of the audience": lambda: token(aud="https://kling.example.com"),
    "for no audience": lambda: token(aud=None),
    "of another issuer": lambda: token(iss="https://login.example.com/other"),
    "of no issuer": lambda: token(iss=None),
    "signed by a stranger": lambda: token(STRANGERS_KEY),
    "signed with another key than it names": lambda: token(kid="ec-1"),
    "of a key that the issuer does not have": lambda: token(STRANGERS_KEY, kid="strange"),
    "that names no key of several": lambda: token(kid=None),
    "of a kind that its key is not for": lambda: token(EC_KEY, "ES256", "rsa-1"),
    "of a kind that its key does not say": lambda: token(OTHER_RSA_KEY, "PS256", "rsa-2"),
    "unsigned": lambda: unsigned("none"),
    "unsigned, loudly": lambda: unsigned("NONE"),
    "signed with a shared secret": lambda: token("a" * 64, "HS256"),
    "signed with the public key": signed_with_what_everybody_has,
    "changed": with_other_words,
    "cut": lambda: token()[:-10],
    "empty": lambda: "",
    "no token": lambda: "CANARY",
    "endless": lambda: token() + "x" * 20_000,
    "with a key of its own": lambda: token(STRANGERS_KEY, headers={"jku": "https://attacker.example.com", "jwk": {}}),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_token_that_does_not_count_is_401(
    house: House, world: World, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = REFUSED[name]()
    reply = await house.post(calling("list_elements"), {**bearer(refused), **kling("somebody")})
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == (
        'Bearer error="invalid_token", error_description="Authentication required", '
        f'resource_metadata="{METADATA}", scope="elements"'
    )
    assert world.requests == []
    assert not refused or refused not in caplog.text


async def test_client_without_a_token_learns_where_to_get_it(house: House) -> None:
    refusal = await house.post(LIST)
    assert refusal.status_code == 401
    assert f'resource_metadata="{METADATA}"' in refusal.headers["WWW-Authenticate"]
    async with house.http() as http:
        told = await http.get(
            "/.well-known/oauth-protected-resource/mcp", headers={"Origin": "https://any.example.com"}
        )
    assert told.status_code == 200
    assert told.json() == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["elements"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Kling Elements",
    }


@pytest.mark.parametrize(
    "good",
    [
        token,
        lambda: token(algorithm="RS512"),
        lambda: token(algorithm="PS256"),
        lambda: token(OTHER_RSA_KEY, "RS256", "rsa-2"),
        lambda: token(EC_KEY, "ES256", "ec-1"),
        lambda: token(aud=["https://other.example.com", RESOURCE]),
        lambda: token(exp=int(time.time()) - LEEWAY_SECONDS // 2),
        lambda: token(scope=None, scp=["elements"]),
        lambda: token(scope=None, scp="elements"),
        lambda: token(client_id=None, azp="assistant"),
        lambda: token(client_id=None),
        lambda: token(sub=None),
        lambda: token(client_id=None, sub=None),
    ],
)
async def test_good_token_opens(house: House, good: Callable[[], str]) -> None:
    async with house.client(headers={**bearer(good()), **kling("somebody")}) as client:
        assert not (await client.call_tool("list_elements")).is_error


@pytest.mark.parametrize("scopes", [None, "", "other", "element", 7, ["elements"] * 0, [7]])
async def test_token_without_the_scope_is_403_and_says_which_is_missing(house: House, scopes: Any) -> None:
    reply = await house.post(LIST, bearer(token(scope=scopes)))
    assert reply.status_code == 403
    challenge = reply.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="elements"' in challenge
    assert f'resource_metadata="{METADATA}"' in challenge


async def test_health_asks_no_issuer(house: House, issuer: Issuer) -> None:
    async with house.http(bearer(token())) as http:
        assert (await http.get("/healthz")).status_code == 200
    assert issuer.asked == 0


async def test_keys_that_cannot_be_read_are_no_refusal(house: House, issuer: Issuer) -> None:
    """401 would send everybody to the issuer for another token, just when it is down."""
    issuer.failure = OSError("down")
    reply = await house.post(LIST, bearer(token()))
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    issuer.failure = None
    await house.runtime.clock.sleep(5)
    assert (await house.post(LIST, bearer(token()))).status_code == 200


async def test_session_belongs_to_the_caller_that_opened_it(house: House) -> None:
    """Of two people with the same assistant, one learns the other's session id."""
    opened = await house.post(initializing(), bearer(token(sub="anna")))
    session = opened.headers["Mcp-Session-Id"]
    stolen = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    statuses = [
        (await house.post(LIST, {**stolen, **bearer(token(**who))})).status_code
        for who in ({"sub": "otto"}, {"sub": "anna", "client_id": "other"}, {"sub": "anna"})
    ]
    assert statuses == [404, 404, 200]


class TestTokenClaims:
    async def test_names_are_taken_and_the_token_is_not(self, verifier: JwtVerifier) -> None:
        text = token()
        known = await verifier.verify_token(text)
        assert known is not None
        assert (known.client_id, known.subject, known.scopes) == ("assistant", "anna", ["elements", "other"])
        assert (known.claims, known.resource) == ({"iss": ISSUER}, RESOURCE)
        assert text not in known.model_dump_json()
        assert get_access_token() is None

    async def test_only_key_needs_no_name(self, verifier: JwtVerifier, issuer: Issuer) -> None:
        del issuer.keys[1:]
        assert await verifier.verify_token(token(kid=None)) is not None


class TestKeys:
    async def test_key_set_is_read_once_for_many_tokens(self, verifier: JwtVerifier, issuer: Issuer) -> None:
        for _ in range(50):
            assert await verifier.verify_token(token()) is not None
        assert issuer.asked == 1

    async def test_unknown_names_do_not_make_us_ask_again_and_again(
        self, verifier: JwtVerifier, issuer: Issuer, clock: VirtualClock
    ) -> None:
        outcomes: list[bool] = []
        for number in range(200):
            try:
                outcomes.append(await verifier.verify_token(token(STRANGERS_KEY, kid=f"strange-{number}")) is None)
            except KeysUnavailableError:
                outcomes.append(False)
            await clock.sleep(1)
        assert issuer.asked == 4, "once a minute"
        assert outcomes[::60] == [True] * 4, "just looked at"

    async def test_token_of_a_key_that_may_be_new_is_no_refusal(
        self, house: House, issuer: Issuer, clock: VirtualClock
    ) -> None:
        """A key rotated within the minute in which the issuer is not asked again."""
        assert (await house.post(LIST, bearer(token()))).status_code == 200
        await clock.sleep(15)
        new = ed25519.Ed25519PrivateKey.generate()
        issuer.keys = [{**json.loads(OKPAlgorithm.to_jwk(new.public_key())), "kid": "new"}]
        fresh = token(new, "EdDSA", "new", iat=int(clock.wall()), nbf=None)
        reply = await house.post(LIST, bearer(fresh))
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "45")
        stale = token(STRANGERS_KEY, kid="withdrawn", iat=int(clock.wall()) - 3600)
        assert (await house.post(LIST, bearer(stale))).status_code == 401, "it is older than the last look"
        await clock.sleep(45)
        assert (await house.post(LIST, bearer(fresh))).status_code == 200
        assert issuer.asked == 2

    async def test_tokens_with_an_impossible_signature_cause_no_key_request(
        self, verifier: JwtVerifier, issuer: Issuer
    ) -> None:
        for name in ("unsigned", "signed with a shared secret", "endless", "no token", "empty"):
            assert await verifier.verify_token(REFUSED[name]()) is None
        assert issuer.asked == 0

    async def test_new_key_is_found_within_a_minute(
        self, verifier: JwtVerifier, issuer: Issuer, clock: VirtualClock
    ) -> None:
        assert await verifier.verify_token(token()) is not None
        new = ed25519.Ed25519PrivateKey.generate()
        issuer.keys = [{**json.loads(OKPAlgorithm.to_jwk(new.public_key())), "kid": "new", "alg": "EdDSA"}]
        await clock.sleep(60)
        assert await verifier.verify_token(token(new, "EdDSA", "new")) is not None

    async def test_withdrawn_key_counts_for_an_hour_at_most(
        self, verifier: JwtVerifier, issuer: Issuer, clock: VirtualClock
    ) -> None:
        assert await verifier.verify_token(token()) is not None
        issuer.keys = []
        await clock.sleep(3601)
        assert await verifier.verify_token(token()) is not None, "an empty set is taken for a failure of the issuer"
        issuer.keys = Issuer().keys[2:]
        await clock.sleep(61)
        assert await verifier.verify_token(token()) is None

    async def test_known_keys_outlive_a_failure_of_the_issuer_for_a_day(
        self, verifier: JwtVerifier, issuer: Issuer, clock: VirtualClock
    ) -> None:
        assert await verifier.verify_token(token()) is not None
        issuer.failure = OSError("down")
        await clock.sleep(KEPT_SECONDS - 10)
        assert await verifier.verify_token(token()) is not None
        await clock.sleep(20)
        with pytest.raises(KeysUnavailableError):
            await verifier.verify_token(token())

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"keys": []}', b'{"keys": 1}', b"\xff"])
    async def test_malformed_key_set_is_unavailable(
        self, verifier: JwtVerifier, issuer: Issuer, body: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        issuer.body = body
        with pytest.raises(KeysUnavailableError):
            await verifier.verify_token(token())
        assert "cannot be read from https://login.example.com/tenant/keys" in caplog.text

    async def test_shared_secrets_and_keys_for_encryption_are_left_out(
        self, issuer: Issuer, clock: VirtualClock
    ) -> None:
        secret = base64.urlsafe_b64encode(b"x" * 32).decode()
        issuer.keys[2]["use"] = "enc"
        issuer.keys.append({"kty": "oct", "k": secret, "kid": "secret"})
        issuer.keys.append({"kty": "unheard-of", "kid": "odd"})
        keys = JwksCache(KEYS_AT, clock, issuer.fetch)
        asked = {"rsa-1": "RS256", "ec-1": "ES256", "secret": "RS256", "odd": "RS256"}
        found = {name: await keys.find(name, algorithm) is not None for name, algorithm in asked.items()}
        assert found == {"rsa-1": True, "ec-1": False, "secret": False, "odd": False}

    @pytest.mark.parametrize("odd", ODD_KEYS, ids=lambda odd: json.dumps(odd)[:40])
    async def test_odd_key_of_a_set_is_left_out_and_the_others_count(
        self, verifier: JwtVerifier, issuer: Issuer, odd: Any
    ) -> None:
        issuer.keys = [odd, *issuer.keys]
        assert await verifier.verify_token(token()) is not None
        assert await verifier.verify_token(token(EC_KEY, "ES256", "ec-1")) is not None
        with contextlib.suppress(KeysUnavailableError):
            assert await verifier.verify_token(token(STRANGERS_KEY, kid="odd")) is None

    @pytest.mark.parametrize(
        ("jwk", "algorithms"),
        [
            ({}, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
            ({"alg": "PS384"}, ["PS384"]),
            ({"alg": "RSA-OAEP"}, []),
            ({"alg": "HS256"}, []),
            ({"alg": "ES256"}, []),
            ({"use": "enc"}, []),
            ({"key_ops": ["verify"]}, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
            ({"key_ops": ["encrypt"]}, []),
        ],
    )
    async def test_key_serves_the_algorithms_that_it_says_or_its_kind_allows(
        self, issuer: Issuer, clock: VirtualClock, jwk: dict[str, Any], algorithms: list[str]
    ) -> None:
        issuer.keys[0] |= jwk
        keys = JwksCache(KEYS_AT, clock, issuer.fetch)
        assert [name for name in ALGORITHMS if await keys.find("rsa-1", name)] == algorithms

    @pytest.mark.parametrize(
        ("curve", "algorithm"),
        [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512"), (ec.SECP256K1(), None)],
        ids=["P-256", "P-384", "P-521", "secp256k1"],
    )
    async def test_curve_of_a_key_decides_its_algorithm(
        self, issuer: Issuer, clock: VirtualClock, curve: ec.EllipticCurve, algorithm: str | None
    ) -> None:
        public = ec.generate_private_key(curve).public_key()
        issuer.keys.append({**ECAlgorithm.to_jwk(public, as_dict=True), "kid": "curved"})
        keys = JwksCache(KEYS_AT, clock, issuer.fetch)
        assert [name for name in ALGORITHMS if await keys.find("curved", name)] == ([algorithm] if algorithm else [])

    async def test_many_callers_wait_for_one_answer(self, issuer: Issuer, clock: VirtualClock) -> None:
        async def slowly(url: str) -> bytes:
            await clock.sleep(2)
            return await issuer.fetch(url)

        keys = JwksCache(KEYS_AT, clock, slowly)
        found: list[jwt.PyJWK | None] = []

        async def find() -> None:
            found.append(await keys.find("rsa-1", "RS256"))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(find)
        assert None not in found
        assert (len(found), issuer.asked) == (20, 1)


def test_server_without_an_issuer_requests_no_keys(clock: VirtualClock) -> None:
    assert access.verifier_for(HostingSettings(), clock) is None
    assert access.metadata_routes(None) == []
