"""`kling-mcp connect [CLIENT]`: how a client starts this very installation."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from kling_mcp.choices import nearest
from kling_mcp.clients.blocks import LANGUAGES, block, command_line
from kling_mcp.clients.links import app_link, web_link
from kling_mcp.clients.server import placeholder, this_server
from kling_mcp.clients.table import CLIENTS, find_client
from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from kling_mcp.clients.server import Server
    from kling_mcp.clients.table import Client

DONE, WRONG_USE = 0, 2
_IN_VS_CODE = "VS Code asks for what is secret, and keeps it out of the file."


def run_connect(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    note: Callable[[str], None],
) -> int:
    """Show the clients, or one; the exit code."""
    server = this_server(environ)
    if not options.client:
        say(_as_json([describe(client, server) for client in CLIENTS]) if options.json else overview(server))
        return DONE
    client = find_client(options.client)
    if client is None:
        note(f"kling-mcp: {unknown_client(options.client)}")
        return WRONG_USE
    say(_as_json(describe(client, server)) if options.json else instructions(client, server))
    return DONE


def describe(client: Client, server: Server) -> dict[str, Any]:
    """Everything of one client, for a program; empty text means that the client has no such thing."""
    return {
        "client": client.id,
        "name": client.name,
        "file": file_of(client),
        "project_file": client.files.project,
        "language": LANGUAGES.get(client.form, "json"),
        "block": block(client, server),
        "command": _command(client, server),
        "link": app_link(client, server),
        "web_link": web_link(client, server),
        "fill_in": [*server.secrets],
        "documentation": client.source,
    }


def file_of(client: Client, platform: str = sys.platform) -> str:
    """Where the client keeps the user's servers on this system; "" if that is not known."""
    files = client.files
    return {"darwin": files.macos, "win32": files.windows}.get(platform, files.linux)


def overview(server: Server) -> str:
    """Each client under a heading, with every way to connect it; what holds for all of them is at the end."""
    last = [_about_secrets(server), "All steps for one client: kling-mcp connect CLIENT"]
    return "\n\n\n".join([*(_in_short(client, server) for client in CLIENTS), "\n".join(filter(None, last))])


def _in_short(client: Client, server: Server) -> str:
    link, command = app_link(client, server), _command(client, server)
    told = [
        f"--- {client.name} ({client.id}) ---",
        link and f"Link:\n{link}",
        command and f"Command:\n{command}",
        f"Block for {file_of(client) or 'its configuration'}:\n{block(client, server)}",
    ]
    return "\n".join(part for part in told if part)


def _command(client: Client, server: Server) -> str:
    return command_line(client, server, for_windows=sys.platform == "win32")


def instructions(client: Client, server: Server) -> str:
    """What a person does to connect the client; every way in a paragraph of its own."""
    link = app_link(client, server)
    command = _command(client, server)
    places = " or ".join(
        filter(None, [file_of(client), client.files.project and f"{client.files.project} in a project"])
    )
    told = [
        client.name,
        link and f"With a click: open this link, in a browser for example.\n{link}",
        command and f"With a command:\n{command}",
        f"By hand: add this to {places or 'its configuration'}, beside what is there.\n{block(client, server)}",
        _IN_VS_CODE if client.form == "vscode" and server.secrets else _about_secrets(server),
        f"{client.then} Then ask your assistant to check the Kling setup.",
    ]
    return "\n\n".join(part for part in told if part)


def _about_secrets(server: Server) -> str:
    if not server.secrets:
        return ""
    return (
        f"Put your own in place of {' and '.join(map(placeholder, server.secrets))}: no secret is printed here. "
        f"Or set {server.secrets[0]}_FILE to the path of a file that holds it."
    )


def unknown_client(name: str) -> str:
    """The sentence for a client that is not in the table."""
    ids = [client.id for client in CLIENTS]
    near = nearest(name, ids)
    hint = f"; did you mean {near}?" if near else "."
    return f"{clean(name, 40)!r} is not a client that this program knows{hint} The clients are {', '.join(ids)}."


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
