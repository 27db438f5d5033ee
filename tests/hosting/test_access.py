"""Who is let in: hosts, pages, tokens, and the settings without which nothing is served."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from helpers import last_line, structured
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import OWN_KEY, TOKEN, bearer, calling, headers_for, initializing, kling, message
from kling_mcp._version import __version__
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.auth import StaticTokenVerifier, check_access
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import World
from kling_mcp.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

PUBLIC = "kling.example.com"
WITH_TOKEN = HostingSettings(token=TOKEN)
HOSTED = HostingSettings(token=TOKEN, allowed_hosts=(PUBLIC,))
LIST = message("tools/list")


class TestStart:
    """Refused with a sentence that names what is missing."""

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", PUBLIC])  # noqa: S104 - what is to be refused
    @pytest.mark.parametrize(
        ("hosting", "missing"),
        [
            (HostingSettings(), {"KLING_MCP_ALLOWED_HOSTS with", "KLING_MCP_HTTP_TOKEN", "KLING_MCP_OAUTH_ISSUER"}),
            (WITH_TOKEN, {"KLING_MCP_ALLOWED_HOSTS with"}),
            (HostingSettings(allowed_hosts=(PUBLIC,)), {"KLING_MCP_HTTP_TOKEN", "KLING_MCP_OAUTH_ISSUER"}),
        ],
        ids=["nothing", "token alone", "hosts alone"],
    )
    def test_server_for_other_computers_needs_host_names_and_authentication(
        self, host: str, hosting: HostingSettings, missing: set[str]
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            build_http_app(Runtime(Settings(hosting=hosting), transport="http"), host)
        told = caught.value.message
        everything = {"KLING_MCP_ALLOWED_HOSTS with", "KLING_MCP_HTTP_TOKEN", "KLING_MCP_OAUTH_ISSUER"}
        assert {word for word in everything if word in told} == missing
        assert host in told
        assert "--host 127.0.0.1" in caught.value.advice

    def test_a_proxy_on_this_computer_opens_it_to_others_too(self) -> None:
        """It listens on loopback, but answers to a public name."""
        with pytest.raises(ConfigurationError, match="KLING_MCP_HTTP_TOKEN"):
            check_access(Settings(hosting=HostingSettings(allowed_hosts=(PUBLIC,))), "127.0.0.1")
        check_access(Settings(hosting=HostingSettings(allowed_hosts=("localhost:9000",))), "127.0.0.1")

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1"])
    def test_server_on_loopback_needs_no_access_settings(self, host: str) -> None:
        check_access(Settings(), host)

    def test_host_names_and_authentication_allow_every_address(self) -> None:
        for host in ("0.0.0.0", "::", "10.0.0.1"):  # noqa: S104 - allowed with names and a token
            check_access(Settings(hosting=HOSTED), host)

    def test_own_account_is_lent_to_known_callers_alone(self) -> None:
        with pytest.raises(ConfigurationError, match="KLING_MCP_SHARED_ACCOUNT"):
            check_access(Settings(shared_account=True), "127.0.0.1")
        check_access(Settings(shared_account=True, hosting=WITH_TOKEN), "127.0.0.1")

    def test_empty_host_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="--host must name"):
            check_access(Settings(hosting=HOSTED), "")


class TestToken:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": TOKEN},
            {"Authorization": f"Basic {TOKEN}"},
            bearer(""),
            bearer("wrong"),
            bearer(TOKEN[:-1]),
            bearer(TOKEN + "x"),
            bearer(TOKEN.upper()),
            bearer(OWN_KEY),
            {"X-Kling-Api-Key": TOKEN},
            {"Cookie": f"token={TOKEN}"},
        ],
        ids=lambda headers: " ".join(map(str, headers.items())) or "none",
    )
    async def test_wrong_or_missing_is_401_and_nothing_happens(
        self, serve: Serve, world: World, headers: dict[str, str]
    ) -> None:
        async with serve(hosting=WITH_TOKEN) as house:
            for body in (calling("list_elements"), initializing()):
                reply = await house.post(body, {**kling("somebody"), **headers})
                assert reply.status_code == 401
                assert reply.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
                assert "Authorization: Bearer TOKEN" in reply.json()["error_description"]
                assert "KLING_MCP_HTTP_TOKEN" in reply.headers["WWW-Authenticate"]
                assert "Mcp-Session-Id" not in reply.headers
        assert world.requests == []

    async def test_token_in_the_address_is_none(self, serve: Serve) -> None:
        """Addresses end up in logs."""
        async with serve(hosting=WITH_TOKEN) as house, house.http() as http:
            reply = await http.post(f"/mcp?token={TOKEN}&access_token={TOKEN}", json=LIST, headers=headers_for(LIST))
        assert reply.status_code == 401

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    async def test_right_bearer_token_is_let_in(self, serve: Serve, scheme: str) -> None:
        async with serve(hosting=WITH_TOKEN) as house:
            reply = await house.post(LIST, {"Authorization": f"{scheme} {TOKEN}"})
        assert reply.status_code == 200
        assert reply.json()["result"]["tools"]

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
    async def test_paths_other_than_health_need_the_token(self, serve: Serve, method: str) -> None:
        paths = ("/mcp", "/mcp/", "/", "/healthz/", "//healthz", "/readyz/../mcp", "/anything", "/callbacks/kling/x")
        async with serve(hosting=WITH_TOKEN) as house, house.http() as http:
            statuses = {path: (await http.request(method, path)).status_code for path in paths}
        assert statuses == dict.fromkeys(paths, 401)

    async def test_health_is_served_to_any_host_without_a_token(self, serve: Serve) -> None:
        """A probe has no token, and asks by number."""
        async with serve(hosting=HOSTED, host="0.0.0.0") as house, house.http({"Host": "10.1.2.3:8000"}) as http:  # noqa: S104 - nothing listens
            health = await http.get("/healthz")
            ready = await http.get("/readyz")
        assert (health.status_code, health.json()) == (200, {"status": "ok", "version": __version__})
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})

    async def test_readiness_reads_the_state_once_a_second_however_many_ask(
        self, serve: Serve, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads: list[float] = []
        run = SqliteStore.run

        async def counted(store: SqliteStore, work: Any, *, write: bool) -> Any:
            reads.append(clock.monotonic())
            return await run(store, work, write=write)

        statuses: list[int] = []
        async with serve(hosting=WITH_TOKEN) as house, house.http() as http:
            monkeypatch.setattr(SqliteStore, "run", counted)

            async def ask() -> None:
                statuses.append((await http.get("/readyz")).status_code)

            for _ in range(3):
                async with anyio.create_task_group() as group:
                    for _ in range(100):
                        group.start_soon(ask)
                await clock.sleep(1)
        assert statuses == [200] * 300
        assert len(reads) == 3

    async def test_bearer_token_is_not_kept_with_its_caller(self) -> None:
        known = await StaticTokenVerifier(TOKEN).verify_token(TOKEN)
        assert known is not None
        assert TOKEN not in repr(known)

    @pytest.mark.parametrize("odd", ["", "\x00", "ÿ" * 40, "\udcff", TOKEN + "\n", "x" * 100_000])
    async def test_odd_bearer_tokens_are_refused_like_wrong_ones(self, odd: str) -> None:
        assert await StaticTokenVerifier(TOKEN).verify_token(odd) is None


class TestCallerAccount:
    async def test_caller_without_credentials_is_refused_without_a_request_to_kling(
        self, serve: Serve, world: World
    ) -> None:
        async with serve() as house, house.client() as client:
            failed = last_line(await client.call_tool("list_elements"))
            checked = structured(await client.call_tool("check_setup"))
        assert (failed["kind"], failed["created"]) == ("missing_credentials", "no")
        assert checked["credential"] == "none"
        assert "X-Kling-Api-Key" in checked["problems"][0]
        assert world.requests == []

    async def test_signing_in_is_no_credential_for_kling(self, serve: Serve, world: World) -> None:
        async with serve(hosting=WITH_TOKEN) as house, house.client(headers=bearer()) as client:
            assert last_line(await client.call_tool("list_elements"))["kind"] == "missing_credentials"
        assert world.requests == []

    async def test_own_account_is_used_where_the_operator_shares_it(self, serve: Serve, world: World) -> None:
        async with serve(hosting=WITH_TOKEN, shared_account=True) as house, house.client(headers=bearer()) as client:
            structured(await client.call_tool("list_elements"))
        assert world.requests[-1].account == world.keyring.account_name(OWN_KEY)

    async def test_half_a_key_pair_does_not_fall_back_to_the_shared_account(self, serve: Serve, world: World) -> None:
        half = {**bearer(), "X-Kling-Access-Key": "half-CANARY"}
        async with serve(hosting=WITH_TOKEN, shared_account=True) as house, house.client(headers=half) as client:
            result = await client.call_tool("list_elements")
        assert last_line(result)["kind"] == "bad_input"
        assert "X-Kling-Secret-Key" in str(result.content)
        assert "CANARY" not in str(result.content)
        assert world.requests == []

    async def test_callers_token_never_reaches_kling(self, serve: Serve) -> None:
        heard: list[str] = []
        headers = {**bearer(), **kling("somebody")}
        async with serve(hosting=WITH_TOKEN, heard=heard) as house, house.client(headers=headers) as client:
            structured(await client.call_tool("list_elements"))
        assert "Authorization: Bearer somebody" in heard
        assert not any(TOKEN in header or "x-kling" in header.lower() for header in heard)


class TestHostsAndPages:
    """DNS rebinding: a page in a browser makes its own name lead here."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "attacker.example.com"}, 421),
            ({"Host": "127.0.0.1.attacker.example.com:8000"}, 421),
            ({"Host": "localhost.attacker.example.com"}, 421),
            ({"Host": PUBLIC}, 421),
            ({"Origin": "https://attacker.example.com"}, 403),
            ({"Origin": "http://localhost.attacker.example.com"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": f"https://{PUBLIC}"}, 403),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("hosting", [HostingSettings(), WITH_TOKEN], ids=["open", "token"])
    async def test_foreign_hosts_and_origins_are_refused_on_loopback(
        self, serve: Serve, headers: dict[str, str], status: int, hosting: HostingSettings
    ) -> None:
        async with serve(hosting=hosting) as house:
            for body in (LIST, initializing()):
                assert (await house.post(body, {**bearer(), **headers})).status_code == status

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "attacker.example.com"}, 421),
            ({"Host": f"{PUBLIC}.attacker.example.com"}, 421),
            ({"Host": "127.0.0.1:8000"}, 421),
            ({"Origin": "https://attacker.example.com"}, 403),
            ({"Origin": "http://localhost:3000"}, 403),
            ({"Origin": f"https://{PUBLIC}"}, 403),
            ({}, 200),
            ({"Host": f"{PUBLIC}:8443"}, 200),
            ({"Origin": "https://chat.example.com"}, 200),
        ],
        ids=str,
    )
    async def test_checks_are_on_for_every_host(self, serve: Serve, headers: dict[str, str], status: int) -> None:
        hosting = HostingSettings(token=TOKEN, allowed_hosts=(PUBLIC,), allowed_origins=("https://chat.example.com",))
        async with serve(hosting=hosting, host="0.0.0.0", address=f"https://{PUBLIC}") as house:  # noqa: S104 - nothing listens
            assert (await house.post(LIST, {**bearer(), **headers})).status_code == status

    async def test_name_with_a_port_is_allowed_with_that_port_alone(self, serve: Serve) -> None:
        hosting = HostingSettings(token=TOKEN, allowed_hosts=(f"{PUBLIC}:8443",))
        async with serve(hosting=hosting, host="0.0.0.0") as house:  # noqa: S104 - nothing listens
            statuses = {
                host: (await house.post(LIST, {**bearer(), "Host": host})).status_code
                for host in (f"{PUBLIC}:8443", PUBLIC, f"{PUBLIC}:1")
            }
        assert statuses == {f"{PUBLIC}:8443": 200, PUBLIC: 421, f"{PUBLIC}:1": 421}

    async def test_proxy_and_this_computer_both_reach_a_loopback_server(self, serve: Serve) -> None:
        async with serve(hosting=HOSTED) as house:
            for host in (PUBLIC, "127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
                assert (await house.post(LIST, {**bearer(), "Host": host})).status_code == 200
            page = {"Origin": "http://localhost:3000"}
            assert (await house.post(LIST, {**bearer(), **page})).status_code == 403

    async def test_allowed_page_asks_beforehand_without_a_token_and_may_read_the_answer(self, serve: Serve) -> None:
        origin = "https://chat.example.com"
        hosting = HostingSettings(token=TOKEN, allowed_hosts=(PUBLIC,), allowed_origins=(origin,))
        asking = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, mcp-protocol-version, x-kling-api-key",
        }
        async with serve(hosting=hosting, address=f"https://{PUBLIC}") as house, house.http() as http:
            before = await http.options("/mcp", headers=asking)
            answer = await house.post(LIST, {**bearer(), "Origin": origin})
            refusal = await house.post(LIST, {"Origin": origin})
            foreign = await http.options("/mcp", headers={**asking, "Origin": "https://attacker.example.com"})
        assert before.status_code == 200
        assert before.headers["Access-Control-Allow-Origin"] == origin
        assert "x-kling-api-key" in before.headers["Access-Control-Allow-Headers"].lower()
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (refusal.status_code, refusal.headers["Access-Control-Allow-Origin"]) == (401, origin)
        assert foreign.status_code == 403
        assert "Access-Control-Allow-Origin" not in foreign.headers


def test_settings_of_the_server_show_no_token(caplog: pytest.LogCaptureFixture) -> None:
    settings: Any = Settings(hosting=HOSTED)
    assert TOKEN not in f"{settings!r} {settings.hosting!r}"
    assert TOKEN in settings.secrets, "so that the log hides it"
