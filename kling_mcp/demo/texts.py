"""The longer texts that the demo prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kling_mcp.clients.blocks import block
from kling_mcp.clients.server import this_server
from kling_mcp.clients.table import OTHER
from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.demo.request import DemoRequest
    from kling_mcp.settings import Settings


def sandbox_introduction(request: DemoRequest) -> str:
    """What a run on the simulator is about to do."""
    what, left = (
        ("an element and a clip", "only the clip and its data") if request.film_dir else ("an element", "nothing")
    )
    return (
        f"This demo creates {what} on the built-in Kling simulator: no account, no network, {left} left behind.\n"
        "A real MCP client starts the real server and talks to it over stdin and stdout.\n"
    )


def live_introduction(settings: Settings, request: DemoRequest) -> str:
    """What a live run is about to do. fact: create-is-free"""
    credential = settings.credential_kind.replace("_", " ")
    return (
        f"This asks Kling itself ({settings.base_url}, with your {credential}) to create one element named\n"
        f'"{request.name}" from {len(request.pictures)} pictures. Creating elements is free. The element stays '
        "in your\nlibrary until you delete it. Running the demo again finds it instead of creating a second one."
    )


def usage(row: dict[str, Any]) -> str:
    """How to use the element. facts: handle-legacy, legacy-id-type"""
    element_id = row["element_id"]
    # A number with all its digits, as the older routes document it; Python's integers are exact.
    value = int(element_id) if element_id.isdecimal() else element_id
    fragment = {"prompt": "<<<element_1>>> waves at the camera", "element_list": [{"element_id": value}]}
    return f"\nUse it in a request to Kling's omni-video:\n   {json.dumps(fragment)}"


def removal(row: dict[str, Any]) -> str:
    """How to delete the element."""
    name = clean(row["element_name"], 60)
    return (
        "\nTo delete it, have your assistant call delete_element with "
        f'element_id="{row["element_id"]}" and element_name="{name}".'
    )


def connection(*, live: bool, environ: Mapping[str, str]) -> str:
    """The block that connects an assistant to this installation. A run on the simulator shows none of its settings."""
    theirs = {name: value for name, value in environ.items() if live or not name.startswith("KLING_")}
    other = (
        "" if live else '\nWithout an account, use "env": {"KLING_MCP_SANDBOX": "1"} to connect it to the simulator.'
    )
    text = block(OTHER, this_server(theirs))
    return (
        f"\nTo connect your assistant, add this to its MCP configuration:\n{text}{other}\n"
        "kling-mcp connect prints links and blocks for each client."
    )
