"""An API key as it is, or a token made from a key pair, judged on the world's clock. facts: auth-api-key, jwt-shape"""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest

from simulator.box import ELEMENTS, START, Box, refusal

pytestmark = pytest.mark.anyio
ACCESS, SECRET = "an-access-key", "canary-secret-ключ"
HEADER = {"alg": "HS256", "typ": "JWT"}


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(now: float = START, *, header: object = HEADER, secret: str = SECRET, **claims: Any) -> str:
    """A token in the documented shape (fact: jwt-shape), or a spoilt one; a claim of None is left out."""
    whole = {"iss": ACCESS, "exp": int(now) + 1800, "nbf": int(now) - 5, **claims}
    whole = {name: value for name, value in whole.items() if value is not None}
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, whole))
    return signed + "." + encode(hmac.new(secret.encode(), signed.encode(), sha256).digest())


def paired(**world: Any) -> Box:
    return Box(key=token(), api_keys=[], key_pairs={ACCESS: SECRET}, **world)


async def status_with(box: Box, authorization: str | None) -> tuple[int, int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    if authorization is None:
        del box.http.headers["Authorization"]
    reply = await box.http.get(ELEMENTS, headers=headers)
    return (200, 0, "") if reply.status_code == 200 else refusal(reply)


async def test_auth_api_key_is_sent_as_it_is(box: Box) -> None:
    assert await box.page() == []
    assert box.world.requests[0].credential == "api-key"


async def test_a_token_of_the_documented_shape_is_accepted_for_its_half_hour() -> None:
    async with paired() as box:
        assert await box.page() == []
        box.clock.now += 1799
        assert await box.page() == []
        box.clock.now += 1
        assert refusal(await box.http.get(ELEMENTS)) == (401, 1004, "Authorization has expired")
        assert {request.credential for request in box.world.requests} == {"jwt"}


async def test_simulator_without_credentials_lets_no_caller_in() -> None:
    async with Box(api_keys=[]) as box:
        assert (await status_with(box, "Bearer sandbox-api-key"))[1] == 1002


async def test_the_sandbox_lets_its_one_key_in() -> None:
    async with Box(key="sandbox-api-key", sandbox=True) as box:
        assert await box.page() == []
        assert list(box.world.accounts) == ["sandbox"]
        assert (await status_with(box, "Bearer another-key"))[1] == 1002


@pytest.mark.parametrize(
    ("authorization", "code", "said"),
    [
        (None, 1001, "Authorization is empty"),
        ("Bearer ", 1001, "Authorization is empty"),
        ("Basic abc", 1002, "Authorization is invalid"),
        ("Bearer junk", 1002, "The token was expected to have 3 parts, but got 0"),  # fact: msg-garbage-key
        ("Bearer a.b", 1002, "The token was expected to have 3 parts, but got 2"),
        ("Bearer !.b.c", 1002, "The token is not base64url"),
        ("Bearer YQ.YQ.YQ", 1002, "The token contains no JSON object"),
        ("Bearer " + token(header={"alg": "none", "typ": "JWT"}), 1002, "The token's header is invalid"),
        ("Bearer " + token(header={"alg": "HS256"}), 1002, "The token's header is invalid"),
        ("Bearer " + token(exp=None), 1002, "The token needs iss, nbf and exp in whole seconds"),
        ("Bearer " + token(nbf=START), 1002, "The token needs iss, nbf and exp in whole seconds"),
        ("Bearer " + token(iss=7), 1002, "The token needs iss, nbf and exp in whole seconds"),
        ("Bearer " + token(iss="unknown"), 1000, "Authentication failed"),
        ("Bearer " + token(secret="wrong"), 1000, "Authentication failed"),
        ("Bearer " + token(nbf=int(START) + 1), 1003, "Authorization is not yet valid"),  # fact: jwt-clock
        ("Bearer " + token(exp=int(START)), 1004, "Authorization has expired"),
    ],
)
async def test_bad_credentials_are_refused_by_code(authorization: str | None, code: int, said: str) -> None:
    async with paired() as box:
        assert await status_with(box, authorization) == (401, code, said)
        assert box.world.accounts == {}


async def test_jwt_clock_skew_shows_in_the_date_header_and_refuses_a_fast_client() -> None:
    async with paired(skew_seconds=-60) as box:
        reply = await box.http.get(ELEMENTS)
        assert refusal(reply)[1] == 1003
        assert reply.headers["date"] == "Thu, 28 May 2026 20:25:40 GMT"
        assert await status_with(box, "Bearer " + token(START - 60)) == (200, 0, "")


async def test_a_key_pair_and_an_api_key_may_share_one_account() -> None:
    names = {"an-api-key": "studio", ACCESS: "studio"}
    async with Box(key_pairs={ACCESS: SECRET}, accounts=names) as box:
        await box.created()
        rows = (await box.http.get(ELEMENTS, headers={"Authorization": f"Bearer {token()}"})).json()["data"]
        assert len(rows) == 1
        assert list(box.world.accounts) == ["studio"]


async def test_the_record_says_what_kind_of_credential_came_and_never_which() -> None:
    async with Box(key=token(), api_keys=["canary-key"], key_pairs={ACCESS: SECRET}) as box:
        for authorization in ("Bearer canary-key", "Basic canary-key", "Bearer " + token(), "Bearer "):
            await status_with(box, authorization)
        await box.http.get(ELEMENTS, headers={"Cookie": "canary-key", "Proxy-Authorization": "canary-key"})
        kinds = [request.credential for request in box.world.requests]
        assert kinds == ["api-key", "other", "jwt", "none", "jwt"]
        shown = repr(box.world.requests) + repr(box.world.keyring) + json.dumps(box.world.state())
        assert "canary" not in shown
        assert "eyJ" not in shown
