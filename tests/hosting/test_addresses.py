"""Pages of this computer call, names are compared as DNS does, and a refusal names the variable that opens the door."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hosting.conftest import Serve
from hosting.http_server import TOKEN, bearer, initializing, message
from kling_mcp.server.http.addresses import AddressRules
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings

pytestmark = pytest.mark.anyio

LIST = message("tools/list")
PUBLIC = "kling.example.com"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens
HOSTED = HostingSettings(token=TOKEN, allowed_hosts=(PUBLIC,))
NEAR_PAGES = [
    "http://localhost:6274",
    "http://localhost",
    "http://127.0.0.1:5173",
    "http://[::1]:3000",
    "https://localhost:8443",
    "HTTP://LOCALHOST:6274",
]


def preflight(origin: str, asked: str = "authorization, content-type, x-kling-api-key, traceparent") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }


class TestPagesOfThisComputer:
    @pytest.mark.parametrize("origin", NEAR_PAGES)
    @pytest.mark.parametrize("hosting", [HostingSettings(), HostingSettings(token=TOKEN)], ids=["open", "token"])
    async def test_page_asks_beforehand_calls_and_reads_the_answer(
        self, serve: Serve, origin: str, hosting: HostingSettings
    ) -> None:
        async with serve(hosting=hosting) as house, house.http() as http:
            before = await http.options("/mcp", headers=preflight(origin))
            opened = await house.post(initializing(), {**bearer(), "Origin": origin})
            listed = await house.post(LIST, {**bearer(), "Origin": origin})
        assert before.status_code == 200
        assert before.headers["Access-Control-Allow-Origin"] == origin
        assert set(before.headers["Access-Control-Allow-Methods"].split(", ")) >= {"GET", "POST", "DELETE"}
        assert "traceparent" in before.headers["Access-Control-Allow-Headers"]
        for answer in (opened, listed):
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)
            assert "Mcp-Session-Id" in answer.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in answer.headers

    async def test_page_reads_why_it_must_sign_in(self, serve: Serve) -> None:
        async with serve(hosting=HostingSettings(token=TOKEN)) as house:
            refused = await house.post(LIST, {"Origin": "http://localhost:6274"})
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
        assert "WWW-Authenticate" in refused.headers["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize(
        "origin",
        [
            "http://localhost.attacker.example.com",
            "http://localhost@attacker.example.com",
            "http://127.0.0.1.attacker.example.com:8000",
            "http://attacker.example.com#localhost",
            "file://localhost",
            "localhost",
            "null",
        ],
    )
    async def test_foreign_pages_get_no_permission(self, serve: Serve, origin: str) -> None:
        async with serve() as house, house.http() as http:
            before = await http.options("/mcp", headers=preflight(origin))
            answer = await house.post(LIST, {"Origin": origin})
        for refused in (before, answer):
            assert refused.status_code == 403
            assert "Access-Control-Allow-Origin" not in refused.headers

    async def test_public_server_serves_no_page_that_it_does_not_list(self, serve: Serve) -> None:
        async with serve(hosting=HOSTED) as house, house.http() as http:
            before = await http.options("/mcp", headers=preflight("http://localhost:6274"))
        assert before.status_code == 403
        assert "KLING_MCP_ALLOWED_ORIGINS=http://localhost:6274" in before.json()["error"]["message"]


class TestNames:
    @pytest.mark.parametrize("host", ["LOCALHOST", "LocalHost:8000", "127.0.0.1:1", "[::1]", "[0:0:0:0:0:0:0:1]:80"])
    async def test_letter_case_and_spelling_of_a_near_name_do_not_matter(self, serve: Serve, host: str) -> None:
        async with serve() as house:
            for body in (LIST, initializing()):
                assert (await house.post(body, {"Host": host})).status_code == 200

    @pytest.mark.parametrize("host", ["KLING.example.COM", "Kling.Example.com:8443", PUBLIC])
    async def test_letter_case_of_a_listed_name_does_not_matter(self, serve: Serve, host: str) -> None:
        async with serve(hosting=HOSTED, host=EVERYWHERE) as house:
            for body in (LIST, initializing()):
                assert (await house.post(body, {**bearer(), "Host": host})).status_code == 200

    @pytest.mark.parametrize(
        ("host", "suggested"),
        [
            ("host.docker.internal", "host.docker.internal"),
            ("host.docker.internal:8000", "host.docker.internal"),
            ("Kling_Server:8000", "kling_server"),
            ("192.168.1.20:8000", "192.168.1.20"),
        ],
    )
    async def test_refusal_of_a_name_says_which_variable_allows_it(
        self, serve: Serve, host: str, suggested: str
    ) -> None:
        async with serve() as house:
            reply = await house.post(LIST, {"Host": host})
        assert reply.status_code == 421
        assert f"KLING_MCP_ALLOWED_HOSTS={suggested} " in reply.json()["error"]["message"]
        settings = {"KLING_MCP_ALLOWED_HOSTS": suggested, "KLING_MCP_HTTP_TOKEN": TOKEN}
        assert Settings.from_env(settings).hosting.allowed_hosts == (suggested,), "and that is a value it takes"

    async def test_refusal_of_a_page_says_which_variable_allows_it(self, serve: Serve) -> None:
        async with serve() as house:
            reply = await house.post(LIST, {"Origin": "https://Chat.example.com"})
        assert reply.status_code == 403
        assert "KLING_MCP_ALLOWED_ORIGINS=https://chat.example.com " in reply.json()["error"]["message"]

    @pytest.mark.parametrize("odd", ["", "a b", "<script>", "a/b", "ey-" * 20_000, "é", "[::1", "x" * 300, "a:b:c"])
    async def test_odd_name_is_neither_shown_nor_logged(
        self, serve: Serve, odd: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, logger="kling_mcp")
        asking: Any = [(b"host", odd.encode("latin-1"))], [(b"origin", odd.encode("latin-1") or b"//")]
        async with serve() as house:
            for status, variable, headers in zip((421, 403), ("HOSTS", "ORIGINS"), asking, strict=True):
                given, said = await house.raw(LIST, headers)
                assert given == status
                assert f"KLING_MCP_ALLOWED_{variable}" in said.decode()
                assert len(said) < 400
        assert all(len(record.getMessage()) < 400 for record in caplog.records)
        assert not odd or odd not in caplog.text

    def test_page_without_an_origin_is_no_page(self) -> None:
        assert AddressRules(Settings(), "127.0.0.1").why_not_origin("") == ""
