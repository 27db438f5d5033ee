"""Blocks, commands and links for clients: each is read back as its client reads it, and starts the same server."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.readers import Read, read_block, read_command, read_link
from kling_mcp.clients.blocks import LANGUAGES, block, command_line
from kling_mcp.clients.links import app_link, web_link
from kling_mcp.clients.server import Server, placeholder, published_server
from kling_mcp.clients.table import CLIENTS, Client, find_client

ROOT = Path(__file__).parents[2]
PUBLISHED = published_server()
WITH_LINK = [client for client in CLIENTS if client.link]
WITH_COMMAND = [client for client in CLIENTS if client.adder]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SERVERS = st.builds(
    Server,
    ANY_TEXT.filter(bool).map(lambda text: f"/bin/{text}"),
    st.lists(ANY_TEXT, max_size=3).map(tuple),
    st.dictionaries(st.from_regex(r"KLING_[A-Z_]{1,8}", fullmatch=True), ANY_TEXT, max_size=3),
)


def named(client: Client) -> str:
    """Its id, for pytest."""
    return client.id


def expected(client: Client, server: Server) -> Read:
    """What the client must read: VS Code refers to what it asks for."""
    env = dict(server.env)
    ids = tuple(name.lower().replace("_", "-") for name in server.secrets)
    if client.form == "vscode":
        env |= {name: f"${{input:{each}}}" for name, each in zip(server.secrets, ids, strict=True)}
    return Read("kling", server.command, [*server.args], env, ids if client.form == "vscode" else ())


@pytest.mark.parametrize("client", CLIENTS, ids=named)
def test_block_is_read_back_as_the_same_server(client: Client) -> None:
    assert read_block(client, block(client, PUBLISHED)) == expected(client, PUBLISHED)


@pytest.mark.parametrize("client", CLIENTS, ids=named)
@given(server=SERVERS)
def test_block_of_any_server_is_read_back(client: Client, server: Server) -> None:
    assert read_block(client, block(client, server)) == expected(client, server)


@pytest.mark.parametrize("make", [app_link, web_link])
@pytest.mark.parametrize("client", WITH_LINK, ids=named)
def test_decoded_link_yields_exactly_the_block(client: Client, make: object) -> None:
    assert callable(make)
    found, shown = read_link(client, make(client, PUBLISHED)), read_block(client, block(client, PUBLISHED))
    if client.form == "goose":  # it asks for the values
        shown = Read(shown.name, shown.command, shown.args, dict.fromkeys(shown.env, ""), tuple(shown.env))
    assert found == shown


@pytest.mark.parametrize("client", [client for client in WITH_LINK if client.form != "goose"], ids=named)
@given(server=SERVERS)
def test_link_of_any_server_is_read_back(client: Client, server: Server) -> None:
    for link in (app_link(client, server), web_link(client, server)):
        assert link.isascii()
        assert read_link(client, link) == expected(client, server)


def test_links_open_the_program_or_a_page_of_its_vendor() -> None:
    schemes = {client.id: urlsplit(app_link(client, PUBLISHED)).scheme for client in WITH_LINK}
    assert schemes == {
        "cursor": "cursor",
        "vscode": "vscode",
        "vscode-insiders": "vscode-insiders",
        "lm-studio": "lmstudio",
        "goose": "goose",
        "kiro": "kiro",
    }
    assert {urlsplit(web_link(client, PUBLISHED)).scheme for client in WITH_LINK} == {"https"}


def test_goose_has_no_link_for_a_command_that_its_links_may_not_start() -> None:
    goose = find_client("goose")
    assert goose is not None
    assert app_link(goose, Server("/opt/venv/bin/kling-mcp", ())) == ""
    for path in ("/home/me/.local/bin/uvx", r"C:\Users\me\.local\bin\uvx.exe"):
        server = Server(path, ("kling-mcp",))
        assert read_link(goose, app_link(goose, server)).command == "uvx"
        assert read_block(goose, block(goose, server)).command == "uvx"


@pytest.mark.parametrize("client", WITH_COMMAND, ids=named)
def test_command_adds_the_same_server(client: Client) -> None:
    for server in (PUBLISHED, Server("/opt/my python", ("-m", "kling_mcp"), {"KLING_MCP_SANDBOX": "1"})):
        assert read_command(command_line(client, server)) == expected(client, server)


def test_command_for_windows_has_double_quotes() -> None:
    codex = find_client("codex")
    assert codex is not None
    line = command_line(codex, Server(r"C:\My Programs\kling-mcp.exe", ()), for_windows=True)
    assert line == r'codex mcp add kling -- "C:\My Programs\kling-mcp.exe"'


def test_clients_that_give_up_early_learn_how_long_a_call_may_take() -> None:
    codex, copilot = find_client("codex"), find_client("copilot")
    assert codex is not None
    assert copilot is not None
    assert "tool_timeout_sec = 660" in block(codex, PUBLISHED)
    assert json.loads(block(copilot, PUBLISHED))["mcpServers"]["kling"]["timeout"] == 660_000
    assert "--timeout 660000" in command_line(copilot, PUBLISHED)


@pytest.mark.parametrize(
    ("typed", "client_id"),
    [
        ("Claude Desktop", "claude-desktop"),
        ("claude_code", "claude-code"),
        ("VSCODE", "vscode"),
        ("code", "vscode"),
        ("lmstudio", "lm-studio"),
        ("github copilot cli", "copilot-cli"),
    ],
)
def test_client_is_found_by_any_of_its_names(typed: str, client_id: str) -> None:
    client = find_client(typed)
    assert client is not None
    assert client.id == client_id


def test_table_names_each_client_once_and_where_it_is_documented() -> None:
    names = [name for client in CLIENTS for name in {client.id, *client.aliases}]
    assert len(names) == len(set(names))
    assert all(client.source.startswith("https://") and client.then.endswith(".") for client in CLIENTS)
    assert all(client.files.macos and client.files.windows and client.files.linux for client in CLIENTS[:-1])
    assert set(LANGUAGES) < {client.form for client in CLIENTS}


def test_placeholder_in_a_block_is_one_that_the_server_refuses_by_name() -> None:
    assert placeholder("KLING_API_KEY") == "<your API key>"
    assert PUBLISHED.env == {"KLING_API_KEY": "<your API key>"}


def test_page_of_clients_matches_the_table() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "write_clients_page.py"))
    text = written["PAGE"].read_text("utf-8")
    assert written["page"](text) == text, "run: python tools/write_clients_page.py"


def test_clients_in_the_readme_match_the_table() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "write_clients_page.py"))
    readme = written["README"].read_text("utf-8")
    assert written["with_most_used"](readme) == readme, "run: python tools/write_clients_page.py"
    with pytest.raises(ValueError, match=r"the marks .* are missing"):
        written["with_most_used"]("no marks")
