"""What must hold of every answer, whatever was asked and whatever Kling said. It only looks; it starts nothing."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
from helpers import CANARIES, text_of
from mcp_types import TextContent

from kling_mcp.errors import Kind

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

MAX_TEXT_BYTES = 50_000
# Five hundred rows of a list that somebody asked for are no accident.
BYTES_A_ROW = 1_600
LAST_LINE = re.compile(
    r"kind=(?P<kind>\w+) created=(?P<created>no|yes|maybe) retry=(?:never|later|now) "
    r"code=(?:-|-?\d+) request_id=\S{1,90}"
)
# What stands in tracebacks and in the messages of libraries, and in nothing that the fuzzers send.
_INSIDES = re.compile(
    r"Traceback \(most recent|site-packages|errors\.pydantic\.dev|\.py\"?, line \d|<[\w.]+ object at 0x|"
    r"\b(?:Unicode(?:En|De)code|Recursion|Attribute|Type|Value|Key|Index|Overflow|Memory|Assertion|Validation)Error\b"
)
_PROBLEMS = re.compile(r"(?:One problem|\d+ problems) with the input:\n")
_MORE = re.compile(r"- and \d+ more; correct these first\.")
# Direction overrides and isolates; the joiners of emoji and of several scripts are no trick.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def check_result(tool: Tool, result: CallToolResult, *, rows_asked: int = 0) -> None:
    """Everything that the contract says of any answer of a tool."""
    text = text_of(result)
    check_words(text)
    assert "\r" not in text
    budget = max(MAX_TEXT_BYTES, rows_asked * BYTES_A_ROW)
    assert len(text.encode()) <= budget, f"{len(text.encode())} bytes of text"
    if result.is_error:
        assert result.structured_content is None
        check_failure(text)
        return
    assert result.structured_content is not None
    assert len(json.dumps(result.structured_content)) <= 2 * budget
    assert tool.output_schema is not None
    jsonschema.validate(result.structured_content, tool.output_schema)
    for said in _texts_in(result.structured_content):
        check_words(said)
    for block in result.content:
        assert not isinstance(block, TextContent) or block.text


def check_message(message: Any) -> None:
    """A message of the protocol as it leaves the server: an answer of the contract inside, or an error of its own."""
    assert isinstance(message, dict), message
    assert message["jsonrpc"] == "2.0"
    if "error" in message:
        check_refusal(message["error"]["message"])
        return
    result = message.get("result")
    if isinstance(result, dict) and result.get("isError"):
        text = "\n".join(block["text"] for block in result["content"])
        check_words(text)
        check_failure(text)
    for said in _texts_in(result):
        assert not any(canary in said for canary in CANARIES)


def check_refusal(said: str) -> None:
    """Where the protocol itself says no, a library's words are as good as ours, if they give nothing away."""
    assert "Traceback" not in said, said
    assert not any(canary in said for canary in CANARIES), "a secret"


def check_failure(text: str) -> dict[str, str]:
    """A failure ends with exactly one line for programs, of a kind that the contract knows; its fields."""
    last = LAST_LINE.fullmatch(text.splitlines()[-1])
    assert last, text[-300:]
    assert last["kind"] in get_args(Kind), text[-300:]
    assert last["kind"] != "internal", text[-600:]
    assert sum(line.startswith("kind=") for line in text.splitlines()) == 1, text[-600:]
    if _PROBLEMS.match(text):
        told = [line for line in text.splitlines() if line.startswith("- ") and not _MORE.fullmatch(line)]
        assert told
        assert all(": must " in line for line in told), text[:600]
    return last.groupdict()


def check_words(text: str) -> None:
    """No secret, nothing of the inside, and no character that changes how the rest is read."""
    for canary in CANARIES:
        assert canary not in text, "a secret"
    inside = _INSIDES.search(text)
    assert inside is None, text[max(0, inside.start() - 200) : inside.end() + 200]
    controls = {character for character in text if unicodedata.category(character) in {"Cc", "Cs"}} - {"\n"}
    assert not controls, f"control characters: {controls!r}"
    assert not _DIRECTIONS.search(text), "a character that changes direction"


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
