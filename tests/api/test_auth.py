"""From a credential to a header: keys as they are, tokens of the documented shape, one correction of the clock."""

from __future__ import annotations

from email.utils import formatdate

import anyio
import jwt
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, failure_of
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey, Authenticator, KeyPair, account_fingerprint, clock_skew
from kling_mcp.api.client import KlingClient
from kling_mcp.errors import AuthError, ClockError
from kling_mcp.runtime import Runtime
from kling_mcp.simulator import Faults, World

NOW = 1_790_000_000.0
PAIR = KeyPair(ACCESS_KEY, SECRET_KEY)


class Wall:
    """Wall time that moves when told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def claims_of(header: str) -> dict[str, object]:
    """The verified claims of a token; its times are looked at by the test, not by the library."""
    scheme, token = header.split(" ")
    assert scheme == "Bearer"
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    return dict(jwt.decode(token, SECRET_KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}))


class TestHeader:
    def test_an_api_key_is_sent_as_it_is(self) -> None:
        """facts: auth-api-key, headers"""
        assert Authenticator(ApiKey(API_KEY), Wall()).header() == f"Bearer {API_KEY}"

    def test_a_token_has_the_documented_shape(self) -> None:
        """fact: jwt-shape"""
        claims = claims_of(Authenticator(PAIR, Wall(NOW + 0.9)).header())
        assert claims == {"iss": ACCESS_KEY, "exp": int(NOW) + 1800, "nbf": int(NOW) - 5}
        assert {type(claims["exp"]), type(claims["nbf"])} == {int}

    def test_a_token_is_kept_and_renewed_early(self) -> None:
        """fact: jwt-refresh: a wait of ten minutes never meets an old token"""
        wall = Wall()
        auth = Authenticator(PAIR, wall)
        first = auth.header()
        wall.now += 1499
        assert auth.header() == first
        wall.now += 1
        second = auth.header()
        assert claims_of(second)["exp"] == int(wall.now) + 1800
        assert second != first

    def test_a_short_secret_is_no_reason_to_warn(self) -> None:
        """Its length is Kling's choice; here every warning would be an error."""
        assert Authenticator(KeyPair("a", "short"), Wall()).header().startswith("Bearer ey")

    def test_a_clock_before_1970_is_no_crash(self) -> None:
        assert claims_of(Authenticator(PAIR, Wall(-50.0)).header())["exp"] == 1750


class TestClock:
    """fact: jwt-clock"""

    def test_the_vendors_time_is_learnt_from_its_date(self) -> None:
        auth = Authenticator(PAIR, Wall())
        refused = auth.header()
        assert auth.correct_clock(formatdate(NOW - 3600, usegmt=True), refused=refused)
        assert claims_of(auth.header())["exp"] == int(NOW) - 3600 + 1800

    @pytest.mark.parametrize("date", ["", "yesterday at noon", formatdate(NOW + 2, usegmt=True)])
    def test_clock_without_a_difference_needs_no_correction(self, date: str) -> None:
        auth = Authenticator(PAIR, Wall())
        refused = auth.header()
        assert not auth.correct_clock(date, refused=refused)
        assert auth.header() == refused

    def test_request_in_flight_profits_from_the_clock_correction_of_another(self) -> None:
        auth = Authenticator(PAIR, Wall())
        refused, date = auth.header(), formatdate(NOW + 900, usegmt=True)
        assert auth.correct_clock(date, refused=refused)
        assert auth.correct_clock(date, refused=refused)  # the second of two requests with the same old token
        assert not auth.correct_clock(date, refused=auth.header())

    def test_an_api_key_has_no_clock(self) -> None:
        auth = Authenticator(ApiKey(API_KEY), Wall())
        assert not auth.correct_clock(formatdate(NOW + 3600, usegmt=True), refused="Bearer x")

    @pytest.mark.parametrize("date", ["", "Wed", "Fri, 32 Foo 2026 99:99:99 GMT", "Sat, 01 Jan 99999 00:00:00 GMT"])
    def test_unreadable_date_header_gives_no_clock_skew(self, date: str) -> None:
        assert clock_skew(date, NOW) is None

    def test_skew_is_positive_where_the_vendor_is_ahead(self) -> None:
        assert clock_skew(formatdate(NOW + 90, usegmt=True), NOW) == 90


@pytest.mark.anyio
class TestThroughKling:
    """The same, with a Kling that checks tokens by its own clock."""

    @pytest.fixture
    def client(self, runtime: Runtime) -> KlingClient:
        return runtime.account(PAIR).client

    async def test_a_key_pair_reads_and_writes(self, client: KlingClient, world: World) -> None:
        assert await client.list_elements() == []
        assert [request.credential for request in world.requests] == ["jwt"]

    @pytest.mark.parametrize(("seconds", "code"), [(-3600, 1003), (3600, 1004), (-20, 1003), (1801, 1004)])
    async def test_skew_is_corrected_once_and_remembered(
        self, client: KlingClient, world: World, seconds: float, code: int
    ) -> None:
        world.skew_seconds = seconds
        await client.list_elements()
        await client.list_elements()
        assert [request.code for request in world.requests] == [code, 0, 0]

    async def test_a_creation_is_sent_again_after_the_correction(self, client: KlingClient, world: World) -> None:
        """Kling refused the token, so nothing was done."""
        world.skew_seconds = -3600
        body = {
            "element_name": "Host",
            "element_description": "Presenter",
            "reference_type": "video_refer",
            "element_video_list": {"refer_videos": [{"video_url": "https://example.com/host.mp4"}]},
        }
        await client.create_element(body, external_task_id="kmcp-host")
        assert world.accepted_creations() == {"kmcp-host": 1}

    @pytest.mark.parametrize("code", [1003, 1004])
    async def test_clock_skew_is_never_corrected_twice(
        self, client: KlingClient, world: World, faults: Faults, code: int
    ) -> None:
        faults.clock_skew(3600)
        faults.reply_code(code, times=None)
        error = await failure_of(client, "query")
        assert (type(error), error.kind, error.code) == (ClockError, "clock", code)
        assert len(world.requests) == 2

    @pytest.mark.parametrize("code", [1003, 1004])
    async def test_refused_token_without_clock_skew_is_not_retried(
        self, client: KlingClient, world: World, faults: Faults, code: int
    ) -> None:
        faults.reply_code(code, times=None)
        await failure_of(client, "query")
        assert len(world.requests) == 1

    async def test_a_refused_token_with_a_skewed_date_is_tried_once_more(
        self, client: KlingClient, world: World, faults: Faults
    ) -> None:
        """A gateway may call a token from the future invalid (1000 to 1002) instead of not valid yet."""
        world.skew_seconds = -3600
        faults.reply_code(1002)
        assert await client.list_elements() == []
        assert [request.code for request in world.requests] == [1002, 0]

    async def test_garbage_in_the_date_is_no_reason_to_try_again(
        self, client: KlingClient, world: World, faults: Faults
    ) -> None:
        world.skew_seconds = -3600
        faults.garbage_date(times=None)
        assert type(await failure_of(client, "query")) is ClockError
        assert len(world.requests) == 1

    async def test_requests_sent_together_with_a_wrong_clock_all_succeed(
        self, client: KlingClient, world: World, faults: Faults
    ) -> None:
        world.skew_seconds = -3600
        faults.delay(1, times=3)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.list_elements)
        assert sorted(request.code or 0 for request in world.requests) == [0, 0, 0, 1003, 1003, 1003]

    async def test_a_wrong_secret_is_not_a_matter_of_time(self, runtime: Runtime, world: World) -> None:
        client = runtime.account(KeyPair(ACCESS_KEY, "another-secret-key")).client
        error = await failure_of(client, "query")
        assert (type(error), error.code, len(world.requests)) == (AuthError, 1000, 1)

    async def test_an_api_key_is_never_corrected(self, runtime: Runtime, world: World, faults: Faults) -> None:
        faults.clock_skew(3600)
        faults.reply_code(1004, times=None)
        error = await failure_of(runtime.own_account().client, "query")
        assert (type(error), len(world.requests)) == (ClockError, 1)

    async def test_a_long_wait_outlives_its_token(self, client: KlingClient, world: World, clock: VirtualClock) -> None:
        """fact: jwt-refresh"""
        for _ in range(5):
            await client.list_elements()
            await clock.sleep(900)
        assert [request.code for request in world.requests] == [0] * 5


@pytest.mark.anyio
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1103])
async def test_sender_never_tries_the_other_region(runtime: Runtime, faults: Faults, code: int) -> None:
    """fact: region-no-fallback: there is one sender, for one host, and the advice names the region"""
    faults.reply_code(code, times=None)
    client = runtime.own_account().client
    error = await failure_of(client, "query")
    assert client.sender.requests_sent == 1
    assert client.sender.host == "api-singapore.klingai.com"
    if code != 1103:
        assert "KLING_REGION" in error.advice


class TestFingerprint:
    """It names an account on disk without revealing anything."""

    def test_account_fingerprint_is_stable_and_reveals_nothing(self) -> None:
        name = account_fingerprint(ApiKey(API_KEY), "api-singapore.klingai.com")
        assert name == account_fingerprint(ApiKey(API_KEY), "api-singapore.klingai.com")
        assert len(name) == 32
        assert int(name, 16)

    def test_account_fingerprints_differ_by_account_and_host(self) -> None:
        """fact: region-separate"""
        names = {
            account_fingerprint(credential, host)
            for credential in (ApiKey(API_KEY), ApiKey("another"), PAIR)
            for host in ("api-singapore.klingai.com", "api-beijing.klingai.com")
        }
        assert len(names) == 6

    def test_replacing_the_secret_keeps_the_state(self) -> None:
        assert account_fingerprint(PAIR, "h") == account_fingerprint(KeyPair(ACCESS_KEY, "new"), "h")


def test_secrets_are_in_no_repr_of_a_credential() -> None:
    shown = repr((ApiKey(API_KEY), PAIR, Authenticator(ApiKey(API_KEY), Wall()), Authenticator(PAIR, Wall())))
    assert "CANARY" not in shown


def test_authenticator_knows_its_secrets() -> None:
    auth = Authenticator(PAIR, Wall())
    token = auth.header().removeprefix("Bearer ")
    assert set(auth.secrets) == {ACCESS_KEY, SECRET_KEY, token}
    assert Authenticator(ApiKey("sandbox", "sandbox"), Wall()).secrets == ()
