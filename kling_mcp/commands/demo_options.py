"""The options of `kling-mcp demo`: read at every start, so nothing heavy is imported here."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from kling_mcp.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.option_types import Commands


def add_demo(commands: Commands) -> argparse.ArgumentParser:
    """The command with its options."""
    demo = commands.add_parser(
        "demo",
        help="create an element on the built-in simulator; needs no account",
        description="A real MCP client starts the real server, creates an element from two pictures, shows a progress "
        "bar, looks up the element and prints its id. It runs on the built-in simulator unless --live is given.",
    )
    demo.add_argument(
        "--live", action="store_true", help="use the real API with your credentials, after asking for confirmation"
    )
    demo.add_argument("--yes", action="store_true", help="with --live: do not ask for confirmation")
    demo.add_argument(
        "--picture",
        action="append",
        default=[],
        metavar="FILE",
        help="your own picture; repeat 2 to 4 times, front view first",
    )
    demo.add_argument("--name", default="", help="the element's name, at most 20 characters")
    demo.add_argument("--description", default="", help="what it looks like, at most 100 characters")
    demo.add_argument("--film", action="store_true", help="also make a clip of the element; not with --live")
    demo.add_argument(
        "--output-dir", metavar="DIR", help="with --film: where the clip is saved (default: a new temporary folder)"
    )
    return demo


def film_folder(options: argparse.Namespace) -> str:
    """Where the demo's clip goes, a full path; "" without a clip.

    Raises:
        ConfigurationError: the options contradict each other.
    """
    if options.film and options.live:
        raise ConfigurationError("--film makes its clip on the simulator, where nothing is paid; leave out --live.")
    if options.output_dir is not None and not options.film:
        raise ConfigurationError("--output-dir is where --film saves its clip; add --film.")
    if not options.film:
        return ""
    folder = options.output_dir or tempfile.mkdtemp(prefix="kling-mcp-film-")
    return os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111 - never raise
