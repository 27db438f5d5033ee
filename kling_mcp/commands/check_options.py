"""The options of `kling-mcp check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.commands.serve_options import LOCALHOST

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.option_types import Commands


def add_check(commands: Commands) -> argparse.ArgumentParser:
    """The command with its options."""
    check = commands.add_parser(
        "check",
        help="check settings, credentials, region, clock and network",
        description="It reads the settings as a server does, asks Kling for one page of the library, and looks at the "
        "state. With --transport http it checks what `serve --transport http` would need, before callers do; Kling "
        "is not asked, because callers bring their own credentials. Nothing is created. Exit code 1: something is "
        "wrong.",
    )
    check.add_argument(
        "--json", action="store_true", help="one JSON object, for programs and reports of bugs; no secret"
    )
    check.add_argument("--transport", choices=["stdio", "http"], default="stdio", help="(default: %(default)s)")
    check.add_argument("--host", default=LOCALHOST, help="for http: the address to listen on (default: %(default)s)")
    return check
