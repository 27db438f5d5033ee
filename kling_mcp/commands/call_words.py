"""The words of `kling-mcp call`: a tool, its arguments and three flags. Decides nothing about values: the tool does.

- `name=value` is an argument; a name that comes again makes a list. The value is taken as it is, so a prompt may begin
  with `@Mia`.
- `@file` as a whole word is a JSON object of arguments in a file, and `-` is one on stdin. Words by name count more.
- `--json`, `--help` and `--output-dir DIR` stand anywhere.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_mcp.commands.console import command_line, program_words
from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import quote
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tools import NAMES, read_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    ReadStdin = Callable[[], bytes]

MAX_JSON_BYTES = 200_000_000  # a few pictures as data: URIs
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.*)", re.DOTALL)
_JSON, _HELP = frozenset({"--json"}), frozenset({"--help", "-h"})
OUTPUT_DIR = "--output-dir"
_SHOWN = 60
# What the tools' parser reads as something else than one entry.
_NOT_ONE_ENTRY = re.compile(r'[,\n\r\[{"]')
_FORM = "must be name=value, @file or -"


@dataclass(frozen=True, slots=True)
class CallWords:
    """The words, sorted: `tool` is "" where only help is wanted, `given` are the arguments as they were written.

    `output_dir` is None if the option is not there.
    """

    tool: str
    given: tuple[str, ...]
    wants_json: bool
    wants_help: bool
    strange: tuple[str, ...] = ()
    output_dir: str | None = None

    @property
    def reads_stdin(self) -> bool:
        """Whether the same words would read other arguments the next time."""
        return "-" in self.given


def sort_words(words: Sequence[str]) -> CallWords:
    """Flags apart from arguments. Never fails: what is no flag is kept in `strange`."""
    words, output_dir = _without_output_dir(words)
    flags: list[str] = []
    others: list[str] = []
    strange: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if word in _JSON | _HELP:
            flags.append(word)
        elif word.startswith("-") and word != "-":
            strange.append(word)
        elif strange and strange[-1] == before and "=" not in before + word:
            strange[-1] = f"{before}={word}"  # an option with its value, as other programs have them
        else:
            others.append(word)
    return CallWords(
        tool=others[0] if others else "",
        given=tuple(others[1:]),
        wants_json=not _JSON.isdisjoint(flags),
        wants_help=not _HELP.isdisjoint(flags),
        strange=tuple(strange),
        output_dir=output_dir,
    )


def _without_output_dir(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The other words, and the last folder; without a word behind it, the option stays where it is."""
    others: list[str] = []
    folder = None
    left = iter(words)
    for word in left:
        if word.startswith(f"{OUTPUT_DIR}="):
            folder = word.partition("=")[2]
        elif word == OUTPUT_DIR and (value := next(left, None)) is not None:
            folder = value
        else:
            others.append(word)
    return others, folder


def read_arguments(words: CallWords, read_stdin: ReadStdin) -> dict[str, Any]:
    """The arguments as a client would send them.

    Raises:
        InputError: with every word that cannot be read.
    """
    problems = [_strange_flag(flag, words.tool) for flag in words.strange]
    held: dict[str, Any] = {}
    named: dict[str, list[str]] = {}
    for word in words.given:
        try:
            if match := _NAMED.fullmatch(word):
                named.setdefault(match[1], []).append(_text(word, match[2]))
            else:
                held |= _object_of(word, read_stdin, words.tool)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return held | {name: values if len(values) > 1 else values[0] for name, values in named.items()}


def _strange_flag(flag: str, tool: str) -> Problem:
    name, _, value = flag.lstrip("-").partition("=")
    own = name.replace("-", "_") or "name"
    is_switch = _schema_of(tool).get("properties", {}).get(own, {}).get("type") == "boolean"
    argument = f"{own}={value or ('true' if is_switch else 'value')}"
    fix = f"write {command_line([argument])}"
    if name == OUTPUT_DIR.lstrip("-"):
        return Problem(OUTPUT_DIR, "must have a folder, or off, behind it", "nothing", f"write {OUTPUT_DIR} DIR")
    return Problem(quote(flag, _SHOWN), f"must be --json, --help or {OUTPUT_DIR}", "another option", fix)


def _text(word: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        fix = "send text in the encoding of this shell"
        raise _refused(word, "must be text", "bytes that are no characters", fix) from None
    return value


def _schema_of(tool: str) -> dict[str, Any]:
    """The arguments of a tool as clients see them; empty for one that does not exist."""
    tool = current_name(tool)
    schema: dict[str, Any] = read_wire(tool)["inputSchema"] if tool in NAMES else {}
    return schema


def _object_of(word: str, read_stdin: ReadStdin, tool: str) -> dict[str, Any]:
    if word == "-":
        where, read = "stdin", read_stdin
    elif word.startswith("@"):
        path = Path(word[1:])
        where, read = quote(word[1:], _SHOWN), lambda: _file(path)
    elif word.lstrip().startswith("{"):
        where, read = "the word", lambda: _text(word, word).encode()
    else:
        required = _schema_of(tool).get("required", [])
        fix = "write name=value, with quotes around a value with blanks"
        fix = f"write {command_line([f'{required[0]}={word}'])}" if len(required) == 1 else fix
        raise _refused(word, _FORM, "a word without a name", fix)
    try:
        value = json.loads(_decoded(read()))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or _reason(error)
        raise _refused(word, "must hold a JSON object of arguments", f"{where}: {reason}", "correct it") from None
    if not isinstance(value, dict):
        raise _refused(word, "must hold a JSON object of arguments", "another JSON value", 'write {"name": "value"}')
    return value


def _refused(word: str, rule: str, actual: str, fix: str) -> InputError:
    return InputError([Problem(quote(word, _SHOWN), rule, actual, fix)])


def _file(path: Path) -> bytes:
    with path.expanduser().open("rb") as file:
        return _bounded(file.read(MAX_JSON_BYTES + 1))


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_JSON_BYTES:
        raise ValueError("it is too large")
    return data


def _decoded(data: bytes) -> str:
    """PowerShell writes UTF-16, and editors on Windows a byte order mark."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return _bounded(data).decode("utf-16" if is_utf_16 else "utf-8-sig")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON at line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8 text"
    return str(error) if isinstance(error, ValueError) and error.args else type(error).__name__


def same_call(words: CallWords, arguments: Mapping[str, Any]) -> str:
    """The command that makes this call again; arguments from stdin are written out."""
    given = _as_words(arguments) if words.reads_stdin else list(words.given)
    return call_line(words, words.tool, given)


def wait_call(words: CallWords, arguments: Mapping[str, Any], task_ids: Sequence[str]) -> str:
    """The command that goes on waiting for these tasks, as long as this one did."""
    seconds = str(arguments.get("wait_seconds") or "").strip()
    kept = {"wait_seconds": seconds} if seconds.isdecimal() and int(seconds) else {}
    if words.tool == "wait_for_tasks" and arguments.get("save_as"):
        kept["save_as"] = str(arguments["save_as"])
    return call_line(words, "wait_for_tasks", _as_words({"ids": list(task_ids), **kept}))


def call_line(words: CallWords, tool: str, given: Sequence[str]) -> str:
    """A call as a command, for a program where this one is."""
    flags = [] if words.output_dir is None else [OUTPUT_DIR, words.output_dir]
    flags += ["--json"] if words.wants_json else []
    return command_line([*program_words(), "call", tool, *given, *flags])


def _as_words(arguments: Mapping[str, Any]) -> list[str]:
    return [f"{name}={text}" for name, value in arguments.items() for text in _as_texts(value)]


def _as_texts(value: Any) -> list[str]:
    """The values that a name is written with."""
    if isinstance(value, str):
        return [value]
    is_plain = isinstance(value, list) and value and all(isinstance(entry, str) for entry in value)
    if is_plain and (len(value) > 1 or not _NOT_ONE_ENTRY.search(value[0])):
        return list(value)
    return [json.dumps(value, ensure_ascii=False)]
