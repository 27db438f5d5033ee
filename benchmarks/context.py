"""What a server takes of a model's context: its list of tools, and the answers of typical calls.

    python benchmarks/context.py [--quick]

Bytes and tokens of compact JSON. The list is what `tools/list` answers over stdin and stdout; most clients put name,
description and input schema of each tool before the model, and the server's instructions once. The core is the seven
tools that do what Kling's own API does, chosen with KLING_MCP_TOOLS; a toolset is chosen with KLING_MCP_TOOLSETS.
Answers come from the real server in front of the simulator, in virtual time; some clients show a model the structured
form, others the text. Tokens of parts are counted part by part, so they add up to a little more or less than the whole.

A session is ten calls on equal wishes: five clips, each made from a prompt and then asked for, with as few arguments
as each server allows. A model pays for the list once, for what it writes, and for what it reads, as text. The other
servers run as processes in front of small imitations of their vendors, which answer what these document and no more;
elevenlabs-mcp makes no clips, so ten sounds take their place. A server whose session fails is left out, with why.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp_types import CallToolResult, TextContent
from measuring.contestants import CORE, Contestant, floor, ours, own_environment, peers
from measuring.conversation import NoAnswerError
from measuring.fake_apis import serving
from measuring.report import table
from measuring.tokens import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from measuring.sessions import KEY, CannotAnswerError, Session, own_session, rows_of, session_of
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import SimulatorTransport, World

PICTURES = Path(__file__).resolve().parent.parent / "kling_mcp" / "demo" / "pictures"
# Ours with all toolsets, and with one of them.
OURS = ("kling-mcp", "kling-mcp, elements", "kling-mcp, generate")
SETTINGS: tuple[dict[str, str], ...] = ({}, {"KLING_MCP_TOOLSETS": "elements"}, {"KLING_MCP_TOOLSETS": "generate"})
LIBRARY = 40  # elements: more than the pages that are answered
FIRST = ["Mia", "Leo", "Ana", "Noah", "Ida", "Omar", "Lena", "Ravi"]
TRADES = ["barista", "sailor", "gardener", "pilot", "baker"]

Tool = Mapping[str, Any]


# --- lists of tools


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server says of itself before the first call."""

    name: str
    tools: list[dict[str, Any]]
    instructions: str


def offer_of(contestant: Contestant) -> Offer:
    """Asked over stdin and stdout."""
    with contestant.start() as conversation:
        hello, _ = conversation.hello()
        tools, _ = conversation.tools()
    return Offer(contestant.name, tools, str(hello.get("instructions") or ""))


def compact(value: object) -> str:
    """As it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def size(text: str) -> int:
    """In bytes; nothing at all has none."""
    return len(text.encode())


def for_model(tools: Sequence[Tool]) -> str:
    """What most clients put before a model."""
    return compact([{name: tool.get(name, "") for name in ("name", "description", "inputSchema")} for tool in tools])


def parts_of(tool: Tool) -> dict[str, str]:
    """A tool taken apart. The rest is its name, title, annotations and what other fields it has."""
    parts = {
        "description": tool.get("description"),
        "input schema": tool.get("inputSchema"),
        "output schema": tool.get("outputSchema"),
        "rest": {name: tool[name] for name in tool if name not in {"description", "inputSchema", "outputSchema"}},
    }
    return {part: compact(value) if value else "" for part, value in parts.items()}


def show_offers(offers: Sequence[Offer], tokenizer: Tokenizer) -> None:
    """Everybody's list as a whole; ours comes first."""
    rows = []
    ours_tokens: list[int] = []
    for offer in offers:
        texts = [compact(offer.tools), for_model(offer.tools), offer.instructions]
        whole, model, instructions = map(size, texts)
        tokens = tokenizer.count(texts)
        ours_tokens = ours_tokens or tokens
        beside = [f"{counted / first:.2f}" for counted, first in zip(tokens, ours_tokens, strict=True)]
        rows.append(
            (
                *(offer.name, len(offer.tools)),
                *(whole, tokens[0], beside[0]),
                *(model, tokens[1], beside[1]),
                *(instructions, tokens[2]),
            )
        )
    whole_list, for_a_model = ("list, bytes", "tokens", "/ ours"), ("for the model, bytes", "tokens", "/ ours")
    print(table(("", "tools", *whole_list, *for_a_model, "instructions", "tokens"), rows), flush=True)


def show_parts(offer: Offer, tokenizer: Tokenizer) -> None:
    """Each of our tools, and the sum of each part."""
    taken = {str(tool["name"]): parts_of(tool) for tool in offer.tools}
    rows = []
    for tool in offer.tools:
        whole = compact(tool)
        rows.append([tool["name"], size(whole), *tokenizer.count([whole]), *map(size, taken[tool["name"]].values())])
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    names = list(next(iter(taken.values())))
    tokens = [sum(tokenizer.count([parts[name] for parts in taken.values()])) for name in names]
    print(table(("bytes", "whole", "tokens", *names), [*rows, ["all, bytes", *sums], ["all, tokens", "", "", *tokens]]))


# --- answers


async def answers(state: Path) -> dict[str, CallToolResult]:
    """Typical calls, in front of a library that was filled beforehand."""
    clock = VirtualClock()
    world = World(clock.wall, api_keys=[KEY])
    settings = Settings(api_key=KEY, state_dir=state, media_dirs=(PICTURES,))
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world))
    async with Client(build_server(settings, runtime)) as client:
        submitted = [await _ask(client, "create_element", wish(number)) for number in range(LIBRARY)]
        ids = [str(_facts(result)["task_id"]) for result in submitted]
        while _facts(await _ask(client, "wait_for_tasks", {"ids": ids, "wait_seconds": 600}))["pending"]:
            pass
        calls: dict[str, tuple[str, dict[str, Any]]] = {
            "create_element_and_wait": ("create_element_and_wait", {**wish(LIBRARY), "wait_seconds": 600}),
            "get_element": ("get_element", {"id": ids[0]}),
            "wait_for_tasks, 10 tasks": ("wait_for_tasks", {"ids": ids[:10]}),
            "list_elements, 30 rows": ("list_elements", {}),
            "list_preset_elements, 30 rows": ("list_preset_elements", {}),
            "find_elements, 20 rows": ("find_elements", {}),
        }
        return {title: await _ask(client, tool, arguments) for title, (tool, arguments) in calls.items()}


def wish(number: int) -> dict[str, Any]:
    """A creation as a person asks for it."""
    first, trade = FIRST[number % len(FIRST)], TRADES[number // len(FIRST) % len(TRADES)]
    front, side = sorted(PICTURES.glob("*.jpg"))[:2]
    return {
        "element_name": f"{first} {number}",
        "element_description": f"{first} the {trade}, short red hair, green apron, round glasses",
        "reference_type": "image_refer",
        "frontal_image": str(front),
        "refer_images": [str(side)],
        "tags": ["Character"],
    }


async def _ask(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result


def _facts(result: CallToolResult) -> dict[str, Any]:
    return dict(result.structured_content or {})


def show_answers(results: Mapping[str, CallToolResult], tokenizer: Tokenizer) -> None:
    """Both forms of each answer."""
    rows = []
    for title, result in results.items():
        texts = [
            "\n".join(block.text for block in result.content if isinstance(block, TextContent)),
            compact(result.structured_content),
        ]
        figures = zip(map(size, texts), tokenizer.count(texts), strict=True)
        rows.append((title, *(figure for pair in figures for figure in pair)))
    print(table(("answer", "text, bytes", "tokens", "structured, bytes", "tokens"), rows))


def sessions(state: Path, others: Sequence[Contestant]) -> tuple[list[Session], list[str]]:
    """Ours, those of the others, and for each that failed a line with the reason."""
    own = partial(own_session, OURS[0], state)
    held = [anyio.run(own, backend_options={"loop_factory": VirtualLoop})]
    held.append(replace(held[0], name=OURS[2]))  # the same calls; only the list is shorter
    absent = []
    for other in others:
        try:
            held.append(session_of(other))
        except (CannotAnswerError, NoAnswerError) as reason:
            absent.append(f"left out of the sessions: {other.name}, {reason}")
    return held, absent


def show_sessions(held: Sequence[Session], offers: Sequence[Offer], tokenizer: Tokenizer) -> None:
    """What a model pays in ten calls."""
    texts = [for_model(offer.tools) + offer.instructions for offer in offers]
    lists = dict(zip((offer.name for offer in offers), tokenizer.count(texts), strict=True))
    titles = ("ten calls, tokens", "calls", "list", "written", "read", "sum", "/ ours", "read / ours")
    print(table(titles, rows_of(held, tokenizer.count, lists)))


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no other servers, nothing is installed")
    options = parser.parse_args()
    tokenizer = Tokenizer.best(quick=options.quick)
    folder = own_environment(quick=options.quick)
    with tempfile.TemporaryDirectory() as scratch, serving() as vendors:
        state = Path(scratch)
        others, absent = ([], []) if options.quick else peers(state, vendors.address)
        mine = [ours(folder, state, name, **settings) for name, settings in zip(OURS, SETTINGS, strict=True)]
        core = ours(folder, state, "kling-mcp, the core", KLING_MCP_TOOLS=",".join(CORE))
        offers = [offer_of(server) for server in (*mine, core, floor(folder), *others)]
        results = anyio.run(partial(answers, state / "answers"), backend_options={"loop_factory": VirtualLoop})
        held, failed = sessions(state, others)
    print(f"tokens: {tokenizer.description}\n")
    show_offers(offers, tokenizer)
    print("\n".join([*absent, ""]))
    show_parts(offers[0], tokenizer)
    print()
    show_answers(results, tokenizer)
    print()
    show_sessions(held, offers, tokenizer)
    print("\n".join(failed))


if __name__ == "__main__":
    main()
