"""What strangers and careless callers send: too much, too slowly, too often, paths, headers that are none.

Wrong tokens stand in `test_access` and `test_oauth`, foreign pages in `test_access`, logs in `test_process`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from helpers import last_line, structured, text_of
from starlette.types import Message, Receive
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import OWN_KEY, TOKEN, bearer, calling, creation, initializing, kling, message
from kling_mcp.server.http.bodies import BODY_SECONDS
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import World
from kling_mcp.simulator.routes import UNKNOWN

pytestmark = pytest.mark.anyio

LIST = message("tools/list")
MEGABYTE = 1_000_000
ELSEWHERE = HostingSettings(token=TOKEN, allowed_hosts=("kling.example.com", "127.0.0.1"))


def never() -> Receive:
    """A body of which nothing may be read."""

    async def receive() -> Message:
        raise AssertionError("the body was read")

    return receive


def endless(chunk: bytes) -> Receive:
    """A body without a declared length that does not end."""

    async def receive() -> Message:
        await anyio.lowlevel.checkpoint()
        return {"type": "http.request", "body": chunk, "more_body": True}

    return receive


def dripping(every: float) -> Receive:
    """A body that comes a byte at a time."""

    async def receive() -> Message:
        await anyio.sleep(every)
        return {"type": "http.request", "body": b" ", "more_body": True}

    return receive


class TestSize:
    @pytest.mark.parametrize(
        ("hosting", "host", "largest"),
        [
            (HostingSettings(), "127.0.0.1", 44),
            (HostingSettings(max_request_mb=2), "127.0.0.1", 2),
            (ELSEWHERE, "0.0.0.0", 12),  # noqa: S104 - with names and a token
            (ELSEWHERE, "127.0.0.1", 12),
            (HostingSettings(token=TOKEN, allowed_hosts=("127.0.0.1", "a.example"), max_request_mb=30), "::", 30),
        ],
    )
    async def test_larger_requests_are_refused_unread(
        self, serve: Serve, hosting: HostingSettings, host: str, largest: int
    ) -> None:
        sign_in = [(b"authorization", f"Bearer {TOKEN}".encode())]
        async with serve(hosting=hosting, host=host) as house:
            declared = (b"content-length", str(largest * MEGABYTE + 1).encode())
            assert (await house.raw(LIST, [*sign_in, declared], never()))[0] == 413
            assert (await house.raw(LIST, sign_in, endless(b" " * MEGABYTE)))[0] == 413
            assert (await house.raw(LIST, sign_in))[0] == 200

    async def test_strangers_bodies_are_not_read_at_all(self, serve: Serve) -> None:
        async with serve(hosting=HostingSettings(token=TOKEN)) as house:
            assert (await house.raw(LIST, [], never()))[0] == 401
            assert (await house.raw(LIST, [(b"origin", b"https://attacker.example.com")], never()))[0] == 403

    async def test_pictures_beyond_the_sdks_own_limit_come_as_data_uris(self, serve: Serve) -> None:
        """Over http the server sees no files of the caller, so this is the only way for a local picture."""
        body = calling("create_element", **creation("Big", frontal_image=f"data:image/png;base64,{'A' * 9_000_000}"))
        async with serve() as house:
            reply = await house.post(body, kling("somebody"))
        assert reply.status_code == 200
        assert "frontal_image" in reply.json()["result"]["content"][0]["text"], "it was read, and is no picture"

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id": 1e999999}'])
    async def test_body_that_is_no_message_is_refused_and_the_server_goes_on(self, serve: Serve, body: bytes) -> None:
        async with serve() as house, house.http() as http:
            for version in ({"MCP-Protocol-Version": "2026-07-28"}, {}):
                headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
                assert (await http.post("/mcp", content=body, headers={**headers, **version})).status_code == 400
            assert (await house.post(LIST)).status_code == 200


class TestTime:
    @pytest.mark.parametrize("every", [1.0, 25.0, 10_000.0])
    async def test_slow_bodies_are_given_up(self, serve: Serve, clock: VirtualClock, every: float) -> None:
        async with serve() as house:
            began = clock.monotonic()
            status, said = await house.raw(LIST, [], dripping(every))
            assert (status, clock.monotonic() - began) == (408, BODY_SECONDS)
        assert b"60 seconds" in said

    async def test_a_long_answer_is_not_a_slow_body(self, serve: Serve, world: World) -> None:
        body = calling("wait_for_tasks", wait_seconds=300)
        slow = world.add_element(world.account_of("somebody"), "Mia").task_id
        async with serve() as house:
            reply = await house.post(calling("wait_for_tasks", ids=[slow], wait_seconds=300), kling("somebody"))
            assert reply.status_code == 200
            assert (await house.post(body, kling("somebody"))).status_code == 200


PATHS = [
    "/etc/passwd",
    "/proc/self/environ",
    "~/.ssh/id_rsa",
    "../../../../etc/passwd",
    "state/../../etc/passwd",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "\\\\server\\share\\picture.png",
    "C:\\Windows\\win.ini",
    "/dev/stdin",
    "picture.png\x00.txt",
]


class TestPaths:
    @pytest.mark.parametrize("era", ["legacy", "auto"])
    async def test_files_of_the_server_are_not_read_over_http(self, serve: Serve, world: World, era: str) -> None:
        async with serve() as house, house.client(era, kling("somebody")) as client:
            for path in PATHS:
                for field in ({"frontal_image": path}, {"refer_images": [path]}):
                    result = await client.call_tool("create_element", creation("Mia", **field))
                    assert last_line(result)["kind"] == "bad_input", path
                    assert "root:" not in text_of(result)
        assert world.requests == []

    async def test_files_that_exist_and_that_do_not_are_answered_alike(self, serve: Serve, tmp_path: Path) -> None:
        """Else a caller could find out what lies on the server."""
        secret = tmp_path / "secret.png"
        secret.write_bytes(b"x")
        told = []
        async with serve() as house, house.client(headers=kling("somebody")) as client:
            for path in (secret, tmp_path / "absent.png", tmp_path):
                result = await client.call_tool("create_element", creation("Mia", frontal_image=str(path)))
                told.append(text_of(result).replace(str(path), "PATH"))
        assert told[0] == told[1] == told[2]
        assert "KLING_MCP_MEDIA_DIRS" in told[0]

    async def test_folders_that_the_operator_names_are_open_and_nothing_beside_them(
        self, serve: Serve, tmp_path: Path, pictures: Any
    ) -> None:
        outside = tmp_path / "outside.jpg"
        outside.write_bytes(pictures.front.read_bytes())
        (pictures.folder / "link.jpg").symlink_to(outside)
        async with serve(media_dirs=(pictures.folder,)) as house, house.client(headers=kling("somebody")) as client:

            async def create(path: object, name: str) -> Any:
                pair = {"frontal_image": str(path), "refer_images": [str(pictures.side)]}
                return await client.call_tool("create_element", creation(name, **pair))

            assert structured(await create(pictures.front, "Mia"))["task_id"]
            for path in (outside, pictures.folder / "link.jpg", f"{pictures.folder}/../outside.jpg"):
                assert last_line(await create(path, "Noa"))["kind"] == "bad_input"

    @pytest.mark.parametrize(
        "any_id",
        [
            "../../v1/account",
            "..",
            ".",
            "x/../../y",
            "%2e%2e%2f",
            "1?page=2",
            "1#x",
            "1\r\nX-Evil: 1",
            "//evil.example",
            "1;x",
        ],
    )
    async def test_ids_do_not_lead_elsewhere_at_kling(self, serve: Serve, world: World, any_id: str) -> None:
        heard: list[str] = []
        async with serve(heard=heard) as house, house.client(headers=kling("somebody")) as client:
            for tool, arguments in (
                ("get_element", {"id": any_id}),
                ("wait_for_tasks", {"ids": [any_id], "wait_seconds": 0}),
                ("delete_element", {"element_id": any_id, "element_name": "x"}),
            ):
                assert "kind=internal" not in text_of(await client.call_tool(tool, arguments))
        assert UNKNOWN not in {request.route for request in world.requests}
        lines = [line for line in heard if line.startswith(">")]
        elements = r"/v1/general/[a-z-]+(/[\w.%-]+)?(\?pageNum=\d+&pageSize=\d+)?"
        tasks = r"/tasks(\?(task|external_task)_ids=[\w.%+-]+)?"
        assert [line for line in lines if not re.fullmatch(f"> (GET|POST) ({elements}|{tasks})", line)] == []
        assert not any(line.endswith(("/.", "/..")) for line in lines)
        assert not any("evil" in line.lower() for line in heard if not line.startswith(">"))


class TestHeaders:
    @pytest.mark.parametrize(
        "value",
        [
            b"key\r\nX-Evil: 1",
            b"key\nX-Evil: 1",
            b"key\r\n\r\nGET /v1/account HTTP/1.1",
            b"key\x00",
            b"key with blanks",
            b"k\xc3\xa9y",
            b"key\x7f",
            b"Bearer key",
            b"${KLING_API_KEY}",
        ],
        ids=repr,
    )
    async def test_header_that_cannot_be_a_key_is_refused_and_not_sent(
        self, serve: Serve, world: World, value: bytes
    ) -> None:
        heard: list[str] = []
        async with serve(heard=heard) as house:
            for header in (b"x-kling-api-key", b"x-kling-access-key", b"x-kling-secret-key"):
                status, said = await house.raw(calling("list_elements"), [(header, value)])
                assert status == 200
                assert b"kind=bad_input" in said
                assert b"X-Evil" not in said
        assert world.requests == []
        assert heard == []

    @pytest.mark.parametrize(
        "value", [b"mars", b"https://attacker.example.com", b"global\r\nX-Evil: 1", b"china,global"]
    )
    async def test_region_is_one_of_two_words(self, serve: Serve, world: World, value: bytes) -> None:
        async with serve() as house:
            _, said = await house.raw(
                calling("list_elements"), [(b"x-kling-api-key", b"k"), (b"x-kling-region", value)]
            )
        assert b"X-Kling-Region must be global or china" in said
        assert world.requests == []

    async def test_key_header_sent_twice_is_refused(self, serve: Serve, world: World) -> None:
        """A proxy that adds a key, and a caller who brings one along: whose would it be?"""
        for pair in (("x-kling-api-key", "one", "other"), ("X-Kling-Secret-Key", "one", "other")):
            name, *values = pair
            headers = [(name.lower().encode(), value.encode()) for value in values]
            async with serve() as house:
                _, said = await house.raw(calling("list_elements"), headers)
            assert b"is sent twice with different values" in said
            assert b"one" not in said.replace(b"send one", b"")
        assert world.requests == []

    async def test_request_headers_other_than_the_key_do_not_reach_kling(self, serve: Serve, world: World) -> None:
        heard: list[str] = []
        curious = {
            **kling("somebody"),
            "Cookie": "CANARY",
            "X-Forwarded-For": "CANARY",
            "X-Forwarded-Host": "attacker.example.com",
            "Forwarded": "host=attacker.example.com",
            "Authorization": "Bearer CANARY",
            "Proxy-Authorization": "CANARY",
            "User-Agent": "CANARY",
            "Referer": "https://CANARY.example.com",
            "traceparent": "00-CANARY",
        }
        async with serve(heard=heard) as house:
            assert (await house.post(calling("list_elements"), curious)).status_code == 200
        assert world.requests
        assert not any("CANARY" in header or "attacker" in header or OWN_KEY in header for header in heard)
        assert {header.split(":")[0].lower() for header in heard if not header.startswith(">")} <= {
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "connection",
            "authorization",
            "content-type",
            "content-length",
        }

    async def test_session_id_of_a_caller_is_not_repeated(self, serve: Serve) -> None:
        async with serve() as house:
            _, said = await house.raw(initializing(), [(b"mcp-session-id", b"<script>CANARY</script>\r\nX-Evil: 1")])
        assert b"CANARY" not in said

    async def test_two_tokens_open_nothing(self, serve: Serve) -> None:
        async with serve(hosting=HostingSettings(token=TOKEN)) as house:
            twice = [(b"authorization", b"Bearer wrong"), (b"authorization", f"Bearer {TOKEN}".encode())]
            assert (await house.raw(LIST, twice))[0] == 401
            assert (await house.post(LIST, bearer())).status_code == 200
