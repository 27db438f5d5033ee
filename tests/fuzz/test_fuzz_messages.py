"""Whatever is written to the server's stdin or posted to it, every request has one answer and the next one too."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import API_KEY
from hosting.http_server import served as hosted
from hypothesis import given
from hypothesis import strategies as st
from profiles import fuzzing
from virtual_time import VirtualClock

from fuzz.guards import run
from fuzz.lines import Lines
from fuzz.messages import ODD_TEXTS, SCHEMAS, broken, requests
from fuzz.posts import Post, headers_of_anybody, headers_that_fit
from fuzz.properties import check_message, check_words
from fuzz.served import MEMORY
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import World


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    """A server over stdio that nothing ends but the last test."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Lines(KLING_MCP_SANDBOX="1", KLING_MCP_MEDIA_DIRS=str(folder), KLING_MCP_WAIT_SECONDS="0") as made:
        yield made


def without_waiting(request: dict[str, Any]) -> dict[str, Any]:
    """A process has real time: what would wait for minutes does not."""
    arguments = request["params"].get("arguments")
    if request["method"] != "tools/call" or not isinstance(arguments, dict):
        return request
    return {**request, "params": {**request["params"], "arguments": {**arguments, "wait_seconds": 0}}}


@fuzzing(15)
@given(asked=st.lists(requests(), max_size=3), noise=st.lists(broken, max_size=4))
def test_each_request_over_stdio_is_answered_once(
    lines: Lines, asked: list[dict[str, Any]], noise: list[bytes]
) -> None:
    single = [line.replace(b"\n", b" ").replace(b"\r", b" ") for line in noise]
    lines.exchange(map(without_waiting, asked), single)


def test_halves_of_characters_do_no_harm(lines: Lines) -> None:
    """The SDK reads none of these lines and answers none; whoever comes next must not notice."""
    odd = [
        {"name": tool, "arguments": {name: text}}
        for tool, schema in SCHEMAS.items()
        for name in schema["properties"]
        for text in ODD_TEXTS
    ]
    call = {"jsonrpc": "2.0", "id": "odd", "method": "tools/call"}
    lines.exchange([], [json.dumps({**call, "params": params}).encode() for params in odd])


@pytest.mark.parametrize("size", [1_000, 20_000_000])
@pytest.mark.parametrize("unit", [b"[", b" ", b'"', b"9"])
def test_line_of_any_length_is_read_as_one_line(lines: Lines, size: int, unit: bytes) -> None:
    lines.exchange([], [unit * size])


posts = st.builds(
    Post,
    body=st.one_of(broken, requests().map(lambda made: json.dumps(made).encode()), st.binary(max_size=50)),
    headers=st.one_of(headers_that_fit, headers_that_fit, headers_of_anybody),
    path=st.sampled_from(["/mcp", "/mcp", "/mcp", "/mcp/", "/", "/healthz", "/callbacks/kling/x", "/%00", "/mcp%2f"]),
    method=st.sampled_from(["POST", "POST", "POST", "DELETE", "PUT", "OPTIONS", "X\x00"]),
)


@fuzzing(12)
@given(sent=st.lists(posts, min_size=1, max_size=3), token=st.booleans())
def test_posted_bytes_get_an_answer_without_secrets(sent: list[Post], token: bool) -> None:
    async def story() -> None:
        clock = VirtualClock()
        world = World(clock.wall, api_keys=[API_KEY])
        hosting = HostingSettings(
            token="a-long-token-of-callers" if token else "", public_url="https://kling.example.com"
        )
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            async with hosted(world, clock, Path(folder), hosting=hosting) as house:
                for post in sent:
                    with anyio.fail_after(1000):
                        status, body = await post.to(house.app)
                    assert status < 500, (status, body[:300])
                    check_answer(body)

    run(story)


def check_answer(body: bytes) -> None:
    """What came back over http: a message, a stream of them, or a few words."""
    text = body.decode()
    if text.startswith("event:"):
        for line in text.splitlines():
            if line.startswith("data: {"):
                check_message(json.loads(line.removeprefix("data: ")))
    elif text.startswith("{") and "jsonrpc" in text:
        check_message(json.loads(text))
    else:
        check_words(text)
