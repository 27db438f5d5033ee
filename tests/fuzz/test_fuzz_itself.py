"""The fuzzers can fail: each thing that must never reach a client is found where it was planted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import jsonschema
import pytest
from helpers import API_KEY
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mcp_types import CallToolResult, TextContent, Tool

from fuzz.guards import ends, memory_below, run
from fuzz.lines import Lines
from fuzz.properties import check_message, check_result
from fuzz.served import served
from kling_mcp.simulator import Faults, SimulatorTransport

TOOL = Tool(
    name="t",
    input_schema={"type": "object"},
    output_schema={"type": "object", "properties": {"total": {"type": "integer"}}},
)
LAST = "kind=bad_input created=no retry=never code=- request_id=-"


def failure(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def success(text: str, **view: Any) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=view)


def test_honest_answers_pass() -> None:
    check_result(TOOL, failure(f"No such element.\n{LAST}"))
    check_result(TOOL, success("2 elements", total=2))


PLANTED: dict[str, CallToolResult] = {
    "a traceback": failure(f"Traceback (most recent call last):\n  x\n{LAST}"),
    "a library's error": failure(f"UnicodeEncodeError: no\n{LAST}"),
    "a defect": failure("Sorry.\nkind=internal created=no retry=never code=- request_id=-"),
    "no last line": failure("Sorry."),
    "a last line that is not last": failure(f"{LAST}\nSorry."),
    "two last lines": failure(f"kind=internal created=yes retry=now code=0 request_id=x\n{LAST}"),
    "a kind that is none": failure("Sorry.\nkind=odd created=no retry=never code=- request_id=-"),
    "a secret": success(f"The key is {API_KEY}.", total=1),
    "a secret in a field": success("Fine.", total=1, note=API_KEY),
    "an escape": success("\x1b[31mred", total=1),
    "a turned direction": success("Fine.", total=1, note="\u202egnp"),
    "too much": success("x" * 60_000, total=1),
    "too many fields": success("Fine.", total=1, rows=["x" * 100] * 2000),
    "a wrong type": success("Fine.", total="one"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_forbidden_answers_fail_the_check_of_results(what: str) -> None:
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        check_result(TOOL, PLANTED[what])


def test_a_message_with_a_planted_traceback_is_found() -> None:
    with pytest.raises(AssertionError):
        check_message({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Traceback (most recent"}})


class _Broken(SimulatorTransport):
    """A defect below every tool: an error that no part of the server expects."""

    async def handle_async_request(self, request: Any) -> Any:
        if b"pageSize=7" in request.url.raw_path:
            raise ZeroDivisionError("planted")
        return await super().handle_async_request(request)


def test_rare_defect_is_found_by_the_fuzzer() -> None:
    @settings(max_examples=300, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(size=st.integers(1, 30))
    def fuzz(size: int) -> None:
        async def story() -> None:
            async with served(lambda world: _Broken(world, Faults())) as server:
                await server.call("list_elements", {"page_size": size})

        run(story)

    with pytest.raises(AssertionError, match="planted"):
        fuzz()


def test_a_creation_that_is_denied_is_found() -> None:
    class Liar(SimulatorTransport):
        """Creates, and says that it did not."""

        async def handle_async_request(self, request: Any) -> Any:
            response = await super().handle_async_request(request)
            if request.method == "POST":
                response.stream = type(response)(400, json={"code": 1201, "message": "no"}).stream
                response.status_code = 400
                response.headers.pop("content-length", None)
            return response

    creation = {
        "element_name": "Leo",
        "element_description": "Chef",
        "reference_type": "video_refer",
        "video_url": "https://example.com/leo.mp4",
    }

    async def story() -> None:
        async with served(lambda world: Liar(world, Faults())) as server:
            await server.call("create_element", creation)

    with pytest.raises(AssertionError, match="Kling has one more"):
        run(story)


async def _never_rests() -> None:
    while True:
        await anyio.lowlevel.checkpoint()


def _computes_on() -> None:
    while True:
        pass


def _fills_up() -> None:
    with memory_below(1_000_000):
        bytearray(2_000_000)


def _computes_too_long() -> None:
    with ends(cpu_seconds=0.05):
        _computes_on()


@pytest.mark.parametrize("what", [lambda: run(_never_rests, most_turns=2_000), _computes_too_long, _fills_up])
def test_call_that_would_not_end_fails_in_time(what: Callable[[], None]) -> None:
    with pytest.raises(AssertionError):
        what()


# Answers whatever has an id, the second request twice.
_TWICE = """
import json, sys
for number, line in enumerate(sys.stdin):
    answer = json.dumps({"jsonrpc": "2.0", "id": json.loads(line).get("id"), "result": {}})
    print(answer, *([answer] if number == 3 else []), sep="\\n", flush=True)
"""


def test_an_answer_that_came_twice_is_found() -> None:
    ping = {"jsonrpc": "2.0", "method": "ping"}
    with Lines((sys.executable, "-S", "-c", _TWICE)) as lines, pytest.raises(AssertionError, match="came twice"):
        lines.exchange([ping] * 4)
