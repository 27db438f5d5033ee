"""Writes what the table of clients knows into docs/clients.md, and the four most used clients into README.md.

    python tools/write_clients_page.py

tests/connect compares, so a client that changes without the page fails the build. README.md has them between the marks
IN_README and END.
"""

from __future__ import annotations

from pathlib import Path

from kling_mcp.clients.blocks import LANGUAGES, block, command_line
from kling_mcp.clients.links import web_link
from kling_mcp.clients.server import published_server
from kling_mcp.clients.table import CLIENTS, OTHER, Client, Files

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "clients.md", ROOT / "README.md"
START, END = "<!-- clients: {}, written by tools/write_clients_page.py -->", "<!-- end of clients -->"
IN_README = "<!-- clients: the four most used -->"
SERVER = published_server()
BY_ID = {client.id: client for client in CLIENTS}


def page(text: str) -> str:
    """docs/clients.md as it must be.

    Raises:
        ValueError: the marks of a part are not there.
    """
    parts = {"links": links(), "commands": commands(), "files": files()}
    parts |= {client.id: fenced(client) for client in (OTHER, *map(BY_ID.get, SHOWN)) if client}
    for name, part in parts.items():
        text = between(text, START.format(name), part)
    return text


# Those whose block looks different; VS Code Insiders reads the same as VS Code.
SHOWN = ("vscode", "copilot-cli", "zed", "codex", "goose")


def with_most_used(readme: str) -> str:
    """README.md with the four most used clients.

    Raises:
        ValueError: its marks are not there.
    """
    return between(readme, IN_README, most_used())


def between(text: str, mark: str, part: str) -> str:
    """The text with this part between its marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, start, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the marks {mark} and {END} are missing")
    return f"{before}{start}\n{part}\n{end}{after}"


def links() -> str:
    """One link for each client that has one."""
    return "\n".join(f"- [{client.name}]({link})" for client in CLIENTS if (link := web_link(client, SERVER)))


def commands() -> str:
    """One command for each client that has one."""
    told = [line for client in CLIENTS if (line := command_line(client, SERVER))]
    return "\n".join(["```sh", *told, "```"])


def files() -> str:
    """Where each client keeps its servers."""
    rows = [f"| [{client.name}]({client.source}) | {_places(client.files)} |" for client in CLIENTS if client != OTHER]
    return "\n".join(["| client | macOS | Windows | Linux | in a project |", "|-|-|-|-|-|", *rows])


def _places(places: Files) -> str:
    return " | ".join(
        f"`{path}`" if path else "" for path in (places.macos, places.windows, places.linux, places.project)
    )


def fenced(client: Client) -> str:
    """The block of a client."""
    return f"```{LANGUAGES.get(client.form, 'json')}\n{block(client, SERVER)}\n```"


def most_used() -> str:
    """Two links, a command and a block, for Cursor, VS Code, Claude Code and Claude Desktop."""
    buttons = " · ".join(
        f"[Add to {BY_ID[name].name}]({web_link(BY_ID[name], SERVER)})" for name in ("cursor", "vscode")
    )
    code, desktop = BY_ID["claude-code"], BY_ID["claude-desktop"]
    return (
        f"**With a click**: {buttons}\n\n"
        f"**{code.name}**:\n\n```sh\n{command_line(code, SERVER)}\n```\n\n"
        f"**{desktop.name}** (Settings, Developer, Edit Config):\n\n{fenced(desktop)}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    README.write_text(with_most_used(README.read_text("utf-8")), "utf-8")
