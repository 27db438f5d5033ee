"""The audit log: every call, nothing secret, and no change that is not written down first."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import API_KEY, CANARIES, Pictures, last_line, structured, text_of
from mcp import Client, MCPError
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from virtual_time import VirtualClock

from kling_mcp.errors import StorageError
from kling_mcp.observability.audit import AuditLog
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults, SimulatorTransport, World

pytestmark = pytest.mark.anyio

Audited = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "kling.jsonl"


@pytest.fixture
def audited(settings: Settings, path: Path, clock: VirtualClock, world: World, faults: Faults) -> Audited:
    """`audited()`: a client of a server that keeps an audit log."""

    @asynccontextmanager
    async def connected(**changes: Any) -> AsyncIterator[Client]:
        chosen = replace(settings, **{"hosting": HostingSettings(audit_log=path), **changes})
        runtime = Runtime(chosen, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
        async with Client(build_server(chosen, runtime)) as client:
            yield client

    return connected


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# --- what stands in it


async def test_creation_is_written_before_and_after(audited: Audited, path: Path, creation: dict[str, Any]) -> None:
    async with audited() as client:
        made = structured(await client.call_tool("create_element_and_wait", {**creation, "wait_seconds": 300}))
    begin, end = lines(path)
    assert (begin["event"], end["event"]) == ("begin", "end")
    assert begin["call"] == end["call"]
    assert begin["tool"] == "create_element_and_wait"
    assert begin["effect"] == "changes"
    assert re.fullmatch("[0-9a-f]{32}", begin["account"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", begin["time"])
    assert (end["outcome"], end["created"]) == ("ok", "yes")
    assert end["element_ids"] == made["element_ids"]
    assert end["task_id"] == made["task_id"]
    assert end["external_task_id"] == made["external_task_id"]
    assert end["request_id"]
    assert "outcome" not in begin


async def test_repeated_creation_is_audited_as_nothing_made(
    audited: Audited, path: Path, creation: dict[str, Any]
) -> None:
    async with audited() as client:
        await client.call_tool("create_element", creation)
        await client.call_tool("create_element", creation)
    assert [line["created"] for line in lines(path) if line["event"] == "end"] == ["yes", "no"]


async def test_deletion_names_what_went(
    audited: Audited, path: Path, world: World, clock: VirtualClock, creation: dict[str, Any]
) -> None:
    gone = world.add_element(world.account_of(API_KEY), "Old", created_at=clock.wall() - 500).element_id
    async with audited() as client:
        await client.call_tool("delete_element", {"element_id": gone, "element_name": "Old"})
    begin, end = lines(path)
    assert begin["tool"] == "delete_element"
    assert (end["outcome"], end["created"], end["element_ids"]) == ("ok", "no", [gone])
    assert end["request_id"]


async def test_reading_is_one_line(audited: Audited, path: Path) -> None:
    async with audited() as client:
        await client.call_tool("list_elements")
    [line] = lines(path)
    assert (line["event"], line["effect"], line["outcome"]) == ("call", "reads", "ok")


async def test_reading_a_resource_is_one_line_and_a_table_is_none(audited: Audited, path: Path, world: World) -> None:
    made = world.add_element(world.account_of(API_KEY), "NAME-CANARY")
    async with audited() as client:
        await client.read_resource("kling://tags")
        await client.read_resource(f"kling://elements/{made.element_id}")
        with pytest.raises(MCPError):
            await client.read_resource("kling://elements/UNKNOWN-CANARY/picture")
    found, missed = lines(path)
    assert (found["event"], found["tool"], found["effect"]) == ("call", "resource:element", "reads")
    assert (found["outcome"], found["element_ids"]) == ("ok", [made.element_id])
    assert (missed["tool"], missed["outcome"]) == ("resource:element_picture", "not_found")
    assert "CANARY" not in str(lines(path))


async def test_refusal_says_whose_and_why(audited: Audited, path: Path, faults: Faults) -> None:
    faults.reply_code(1101, route="list")
    async with audited() as client:
        failed = last_line(await client.call_tool("list_elements"))
    [line] = lines(path)
    assert line["outcome"] == failed["kind"]
    assert line["code"] == int(failed["code"])
    assert line["request_id"] == failed["request_id"]


async def test_call_without_credentials_has_no_account(audited: Audited, path: Path) -> None:
    async with audited(api_key="") as client:
        await client.call_tool("list_elements")
    [line] = lines(path)
    assert (line["account"], line["outcome"]) == ("", "missing_credentials")


async def test_caller_who_leaves_is_seen_leaving(audited: Audited, path: Path, creation: dict[str, Any]) -> None:
    async with audited() as client:
        with anyio.move_on_after(3):
            await client.call_tool("create_element_and_wait", {**creation, "wait_seconds": 300})
        await anyio.sleep(1)
    assert [(line["event"], line.get("outcome"), line.get("created")) for line in lines(path)] == [
        ("begin", None, None),
        ("end", "abandoned", "maybe"),
    ]


@pytest.mark.parametrize(("subject", "shown"), [("anna", "anna"), (None, "studio")])
async def test_caller_is_named_where_callers_sign_in(
    settings: Settings, path: Path, clock: VirtualClock, world: World, *, subject: str | None, shown: str
) -> None:
    token = AccessToken(token="token-CANARY", client_id="studio", scopes=[], subject=subject)
    chosen = replace(settings, hosting=HostingSettings(audit_log=path))
    runtime = Runtime(chosen, clock=clock, make_transport=lambda: SimulatorTransport(world))
    before = auth_context_var.set(AuthenticatedUser(token))
    try:
        async with Client(build_server(chosen, runtime)) as client:
            await client.call_tool("list_elements")
    finally:
        auth_context_var.reset(before)
    assert [line["caller"] for line in lines(path)] == [shown]
    assert "token-CANARY" not in str(lines(path))


async def test_audit_log_holds_no_secret_name_text_picture_or_link(
    audited: Audited, path: Path, creation: dict[str, Any], pictures: Pictures
) -> None:
    wish = {**creation, "element_name": "NAME-CANARY", "element_description": "TEXT-CANARY"}
    link = "https://example.com/LINK-CANARY.jpg?sig=CANARY"
    async with audited() as client:
        await client.call_tool("create_element", {**wish, "callback_url": "https://example.com/CALL-CANARY"})
        await client.call_tool("create_element", {**wish, "frontal_image": link, "refer_images": [link, link]})
        await client.call_tool("create_element", {**wish, "element_name": "x" * 50 + "CANARY"})
        await client.call_tool("delete_element", {"element_id": "1", "element_name": "NAME-CANARY"})
        await client.call_tool("get_element", {"id": "NAME-CANARY"})
        await client.call_tool("list_elements", {"CANARY": 1})
    written = str(lines(path))
    assert len(lines(path)) >= 8
    assert "CANARY" not in written
    assert not [canary for canary in CANARIES if canary in written]
    assert str(pictures.folder) not in written


# --- where it stands


@pytest.mark.parametrize(
    ("transport", "said", "sandbox", "name"),
    [
        ("http", None, False, "state/audit.jsonl"),
        ("stdio", None, False, None),
        ("http", None, True, None),
        ("http", False, False, None),
        ("stdio", Path("chosen.jsonl"), False, "chosen.jsonl"),
        ("http", Path("chosen.jsonl"), True, "chosen.jsonl"),
    ],
)
def test_log_is_kept_over_http_unless_said_otherwise(
    settings: Settings, tmp_path: Path, *, transport: Any, said: Path | bool | None, sandbox: bool, name: str | None
) -> None:
    where = tmp_path / said if isinstance(said, Path) else said
    chosen = replace(settings, sandbox=sandbox, hosting=HostingSettings(audit_log=where))
    audit = Runtime(chosen, transport=transport).audit
    assert (audit.path if audit else None) == (tmp_path / name if name else None)


@pytest.mark.parametrize("word", ["0", "off", "no", "FALSE"])
def test_log_can_be_switched_off(word: str) -> None:
    assert Settings.from_env({"KLING_MCP_AUDIT_LOG": word}).hosting.audit_log is False


def test_path_must_be_full() -> None:
    with pytest.raises(Exception, match="KLING_MCP_AUDIT_LOG must be the full path"):
        Settings.from_env({"KLING_MCP_AUDIT_LOG": "audit.jsonl"})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_file_is_for_its_owner_alone_and_only_grows(path: Path) -> None:
    class Wall:
        def wall(self) -> float:
            return 1_790_000_000.0

    wall: Any = Wall()
    AuditLog(path, wall, "one").write({"event": "first"})
    AuditLog(path, wall, "two").write({"event": "second"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [line["server"] for line in lines(path)] == ["one", "two"]
    path.rename(path.with_suffix(".old"))
    AuditLog(path, wall, "one").write({"event": "third"})
    assert [line["event"] for line in lines(path)] == ["third"], "a file that was moved away is begun anew"


# --- when it fails


async def test_changes_are_refused_while_the_audit_log_cannot_be_written(
    audited: Audited, path: Path, world: World, creation: dict[str, Any]
) -> None:
    path.parent.write_text("a file where a folder must be")
    async with audited() as client:
        refused = await client.call_tool("create_element", creation)
        read = await client.call_tool("list_elements")
    assert last_line(refused)["kind"] == "read_only"
    assert last_line(refused)["created"] == "no"
    assert "audit log" in text_of(refused)
    assert str(path.parent) not in text_of(refused)
    assert not read.is_error
    assert [request.route for request in world.requests] == ["list"]


async def test_log_that_fails_after_a_change_leaves_the_answer_alone(
    audited: Audited, path: Path, creation: dict[str, Any], caplog: pytest.LogCaptureFixture, faults: Faults
) -> None:
    faults.delay(2, route="create")

    async def break_the_log() -> None:
        await anyio.sleep(1)
        await anyio.Path(path).unlink()
        await anyio.Path(path).mkdir()

    async with audited() as client, anyio.create_task_group() as group:
        group.start_soon(break_the_log)
        made = structured(await client.call_tool("create_element", creation))
    assert made["outcome"] == "submitted"
    assert "missing from the audit log" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_full_disk_of_the_audit_log_is_reported() -> None:
    class Wall:
        def wall(self) -> float:
            return 0.0

    wall: Any = Wall()
    with pytest.raises(StorageError):
        AuditLog(Path("/dev/full"), wall, "one").write({})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_half_a_line_does_not_spoil_the_next(path: Path) -> None:
    """The disk was full in the middle of a line; a limit on the size of files plays it."""
    import resource  # noqa: PLC0415 - there is none on Windows

    class Wall:
        def wall(self) -> float:
            return 1_790_000_000.0

    wall: Any = Wall()
    log = AuditLog(path, wall, "one")
    log.write({"event": "first"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
        with pytest.raises(StorageError):
            log.write({"event": "lost"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    log.write({"event": "next"})
    first, torn, following = path.read_text("utf-8").splitlines()
    assert json.loads(first)["event"] == "first"
    assert len(torn) == 10
    assert json.loads(following)["event"] == "next"
    assert os.linesep not in torn
