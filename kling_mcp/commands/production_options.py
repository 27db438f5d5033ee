"""The options of `kling-mcp production`: read at every start, so nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.option_types import Commands

MOST_SECONDS = 86_400
_EXIT = (
    "exit codes: 0 nothing to do or all done, 1 refused or failed, 2 wrong use, 3 still running (repeat to go on), "
    "4 changes pending"
)


def add_production(commands: Commands) -> argparse.ArgumentParser:
    """The command with its three actions and their options."""
    about = "plan, apply or export a production sheet: a cast and shots"
    production = commands.add_parser("production", help=about, description=f"{about.capitalize()}.", epilog=_EXIT)
    actions = production.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    plan = actions.add_parser("plan", help="what the sheet still needs and costs; sends nothing", epilog=_EXIT)
    apply = actions.add_parser("apply", help="make what is missing, after a question about the price", epilog=_EXIT)
    export = actions.add_parser(
        "export",
        help="write the library as a sheet with its lock, or with the ending .json as names with ids",
        epilog=_EXIT,
    )
    for action in (plan, apply):
        action.add_argument("file", metavar="FILE", help="the sheet: .yaml, .json or .toml")
        action.add_argument("--part", choices=["all", "cast", "shots"], default="all", help="(default: %(default)s)")
        help_text = "a name that must exist; may be repeated"
        action.add_argument("--require", action="append", default=[], metavar="NAME", help=help_text)
    apply.add_argument(
        "--max-units",
        type=_units,
        default=0,
        metavar="N",
        help="the most units to spend; agrees to spend them without a question",
    )
    apply.add_argument(
        "--wait-seconds",
        type=_seconds,
        default=3600,
        metavar="N",
        help="how long to wait; what is not ready then goes on at Kling (default: %(default)s)",
    )
    export.add_argument("file", metavar="FILE", help="a new file that ends in .yaml, .yml or .json")
    export.add_argument("--tag", action="append", default=[], metavar="TAG", help="only these; may be repeated")
    export.add_argument("--name", action="append", default=[], metavar="NAME", help="only these; may be repeated")
    export.add_argument("--query", default="", metavar="WORDS", help="only what these words find")
    for action in (plan, apply, export):
        action.add_argument("--json", action="store_true", help="print one JSON object: ok, result or error, resume")
    return production


def _units(text: str) -> int:
    return _number(text, 1_000_000)


def _seconds(text: str) -> int:
    return _number(text, MOST_SECONDS)


def _number(text: str, most: int) -> int:
    """Raises ValueError, which argparse tells as wrong use."""
    if not text.isdecimal() or int(text) > most:
        raise ValueError(text)
    return int(text)
