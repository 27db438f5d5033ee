"""Steps that a tool tells in the words of MCP, in the words of a shell: a call with arguments becomes a command.

Only the form counts in which this package writes such steps: `call TOOL with name="value"`, `name=["one", "two"]`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kling_mcp.server.tools import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Makes the command of a tool with these words.
    MakeCommand = Callable[[str, Sequence[str]], str]

_VALUE = r'(?:"[^"\n]*+"|\[(?:"[^"\n]*+"(?:, )?)++\])'
_STEP = re.compile(
    rf"\b(?P<call>[Cc]all )?(?P<tool>{'|'.join(NAMES)}) with (?P<words>[a-z_]++={_VALUE}(?: [a-z_]++={_VALUE})*+)"
    r"(?P<again> again)?"
)
_WORD = re.compile(rf"(?<![a-z_])([a-z_]++)=({_VALUE})")
_TEXT = re.compile(r'"([^"\n]*+)"')
_SENTENCES = frozenset({"next_step", "notes", "warnings"})
_SAME = re.compile(r"\b([Rr])epeat (the same|this) call\b")


def as_commands(text: str, make: MakeCommand) -> str:
    """The text with a command in place of each such step."""

    def command(found: re.Match[str]) -> str:
        words = [f"{name}={value}" for name, values in _WORD.findall(found["words"]) for value in _TEXT.findall(values)]
        run = {"Call ": "Run: ", "call ": "run: "}.get(found["call"] or "", "")
        return f"{run}{make(found['tool'], words)}"

    return _SAME.sub(r"\1epeat \2 command", _STEP.sub(command, text))


def result_as_commands(result: Any, make: MakeCommand) -> Any:
    """The same for a result as JSON has it. Only our own sentences change: a prompt or a name is data."""
    if isinstance(result, list):
        return [result_as_commands(each, make) for each in result]
    if not isinstance(result, dict):
        return result
    return {
        name: _sentences(value, make) if name in _SENTENCES else result_as_commands(value, make)
        for name, value in result.items()
    }


def _sentences(value: Any, make: MakeCommand) -> Any:
    told = value if isinstance(value, list) else [value]
    told = [as_commands(each, make) if isinstance(each, str) else each for each in told]
    return told if isinstance(value, list) else told[0]
