"""The options of `kling-mcp connect`: read at every start, so nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.option_types import Commands


def add_connect(commands: Commands) -> argparse.ArgumentParser:
    """The command with its options."""
    connect = commands.add_parser(
        "connect",
        help="show how to connect an assistant to this installation",
        description="Prints the configuration block of a client for this very installation, with its install link and "
        "its own command where it has them. The settings that are set in the environment are part of it; secrets are "
        "not, only placeholders for them. Without a client it prints this for each of them.",
        epilog="exit codes: 0 done, 2 no such client",
    )
    connect.add_argument("client", nargs="?", default="", metavar="CLIENT", help="such as cursor or claude-desktop")
    connect.add_argument("--json", action="store_true", help="print the same for a program")
    return connect
