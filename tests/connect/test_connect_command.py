"""`kling-mcp connect [CLIENT] [--json]`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connect.readers import read_block, read_link
from kling_mcp.cli import main
from kling_mcp.clients.server import this_server
from kling_mcp.clients.table import CLIENTS, find_client
from kling_mcp.commands.connect import file_of

KEY = "a-real-key-of-somebody"
ENVIRON = {"KLING_API_KEY": KEY, "KLING_REGION": "china"}
Output = pytest.CaptureFixture[str]


def shown(capsys: Output, *words: str) -> str:
    """What the command prints when it succeeds."""
    assert main(["connect", *words], ENVIRON) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert KEY not in out
    return out


def described(capsys: Output, *words: str) -> Any:
    """The same with --json."""
    return json.loads(shown(capsys, *words, "--json"))


def test_connect_without_a_client_shows_every_way_of_each(capsys: Output) -> None:
    out = shown(capsys)
    *parts, last = out.rstrip("\n").split("\n\n\n")
    for client, part, told in zip(CLIENTS, parts, described(capsys), strict=True):
        assert part.startswith(f"--- {client.name} ({client.id}) ---\n")
        assert part.endswith(f"\n{told['block']}")
        assert all(f"\n{way}\n" in part for way in (told["link"], told["command"]) if way)
    assert last.startswith("Put your own in place of <your API key>")
    assert last.endswith("kling-mcp connect CLIENT")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_block_and_link_of_a_client_start_this_installation(client: Any, capsys: Output) -> None:
    out, told = shown(capsys, client.id), described(capsys, client.id)
    server = this_server(ENVIRON)
    read = read_block(client, told["block"])
    assert (read.command, read.args) == (server.command, [*server.args])
    assert read.env["KLING_REGION"] == "china"
    assert told["block"] in out
    for way in (told["link"], told["command"]):
        assert not way or f"\n{way}\n" in out
    if told["link"]:
        assert read_link(client, told["link"]) == read
    assert told["fill_in"] == ["KLING_API_KEY"]


def test_json_without_a_client_describes_all_of_them(capsys: Output) -> None:
    told = described(capsys)
    assert [one["client"] for one in told] == [client.id for client in CLIENTS]
    assert {type(value) for one in told for value in one.values()} == {str, list}
    assert told[2] == described(capsys, "cursor")


def test_person_learns_what_to_fill_in(capsys: Output) -> None:
    out = shown(capsys, "claude desktop")
    assert "Put your own in place of <your API key>: no secret is printed here." in out
    assert "KLING_API_KEY_FILE" in out
    assert "VS Code asks for what is secret" in shown(capsys, "vscode")
    assert main(["connect", "cursor"], {"KLING_MCP_SANDBOX": "1"}) == 0
    assert "secret" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("curser", "did you mean cursor?"), ("claude", "did you mean claude-code?"), ("\x1b[31memacs", "The clients are")],
)
def test_unknown_client_is_wrong_use_with_the_nearest_name(typed: str, hint: str, capsys: Output) -> None:
    assert main(["connect", typed], ENVIRON) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err
    assert "\x1b" not in err
    assert all(client.id in err for client in CLIENTS)


@pytest.mark.parametrize(
    ("platform", "path"),
    [
        ("darwin", "~/Library/Application Support/Code/User/mcp.json"),
        ("win32", r"%APPDATA%\Code\User\mcp.json"),
        ("linux", "~/.config/Code/User/mcp.json"),
        ("freebsd14", "~/.config/Code/User/mcp.json"),
    ],
)
def test_file_of_a_client_is_the_one_of_the_system(platform: str, path: str) -> None:
    client = find_client("vscode")
    assert client is not None
    assert file_of(client, platform) == path
