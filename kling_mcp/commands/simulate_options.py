"""The options of `kling-mcp simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.commands.option_types import key_pair, port
from kling_mcp.commands.serve_options import LOCALHOST

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.option_types import Commands


def add_simulate(commands: Commands) -> argparse.ArgumentParser:
    """The command with its options."""
    simulate = commands.add_parser("simulate", help="run the Kling simulator as an http server")
    simulate.add_argument("--port", type=port, required=True, help="0 picks a free port")
    simulate.add_argument("--host", choices=[LOCALHOST, "localhost"], default=LOCALHOST, help="loopback only")
    simulate.add_argument("--control", action="store_true", help="add routes under /_simulator/ that arm faults")
    key = "accept only this API key (repeatable); without keys, every API key is its own account"
    simulate.add_argument("--api-key", action="append", default=[], metavar="KEY", help=key)
    pair = "accept tokens made from this key pair (repeatable)"
    simulate.add_argument("--key-pair", type=key_pair, action="append", default=[], metavar="ACCESS:SECRET", help=pair)
    size = "refuse larger requests, as Kling seems to do above 40 million (default: %(default)s)"
    simulate.add_argument("--max-body-bytes", type=int, default=40_000_000, metavar="N", help=size)
    return simulate
