"""What the server may take of a model's context: budgets over the real list and over a real answer of every tool.

Counted in tokens where `make bench` has installed a tokenizer; elsewhere tokens are estimated from the bytes.
"""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, Connect, structured, text_of

from kling_mcp.server.tools import NAMES
from kling_mcp.settings.spending import SpendingSettings
from server.samples import arguments_for, furnish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp import Client

    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
LIST_BYTES_A_TOKEN, ANSWER_BYTES_A_TOKEN = 4.04, 2.7  # measured; ids and links have short tokens
MOST_TOKENS = 1_200
ALLOW = SpendingSettings(mode="allow")
LONG_PROMPT = "A barista with short red hair waves from behind the counter of a small cafe, morning light, slow push in"


@cache
def tokenizer() -> Any:
    """The benchmarks' own, if it is installed; nothing is fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("measuring.tokens").Tokenizer.present()


def tokens_of(texts: Sequence[str], bytes_a_token: float) -> list[float]:
    found = tokenizer()
    return list(found.count(texts)) if found else [len(text.encode()) / bytes_a_token for text in texts]


async def list_of(client: Client) -> str:
    """As it goes over the wire."""
    shown = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools
    ]
    return json.dumps({"tools": shown}, ensure_ascii=False, separators=(",", ":"))


async def test_tool_lists_stay_within_their_budgets_of_context(connect: Connect) -> None:
    """All tools in the dearest form, and those for elements."""
    budgets = [({}, 18_000, 4_400), ({"toolsets": ("elements",)}, 12_000, 2_850)]
    listed = []
    for chosen, _, _ in budgets:
        async with connect(confirm_deletions=True, **chosen) as client:
            listed.append(await list_of(client))
    counted = tokens_of(listed, LIST_BYTES_A_TOKEN)
    for text, tokens, (_, most_bytes, most_tokens) in zip(listed, counted, budgets, strict=True):
        assert len(text.encode()) <= most_bytes
        assert tokens <= most_tokens


@pytest.mark.parametrize("name", NAMES)
async def test_typical_answer_of_a_tool_stays_within_its_budget(
    connect: Connect, world: World, creation: dict[str, Any], name: str
) -> None:
    ids = furnish(world)
    async with connect() as client:
        if name == "apply_production":
            planned = await client.call_tool("plan_production", arguments_for("plan_production", ids, creation))
            ids["plan_id"] = structured(planned)["plan_id"]
        result = await client.call_tool(name, arguments_for(name, ids, creation))
    assert not result.is_error
    text = text_of(result)
    # No token is shorter than a byte, so a short answer need not be counted.
    assert len(text.encode()) <= MOST_TOKENS or tokens_of([text], ANSWER_BYTES_A_TOKEN)[0] <= MOST_TOKENS


async def fill(client: Client, world: World) -> None:
    """More than twenty of everything that is listed, with long texts; twenty pictures are made and saved."""
    world.durations = lambda _kind, _rng: 5.0
    account = world.account_of(API_KEY)
    for number in range(25):
        world.add_element(account, f"Element number {number:03}", description="word " * 20, tags=("o_102", "o_103"))
        world.add_voice(account, f"Voice number {number}")
    for number in range(20):
        asked = {"prompt": f"{number} {LONG_PROMPT}", "wait_seconds": 60}
        assert structured(await client.call_tool("generate_image", asked))["task_status"] == "succeed"


async def test_lists_of_twenty_have_at_most_five_kilobytes_of_text(connect: Connect, world: World) -> None:
    calls = {
        "find_elements": {},
        "list_elements": {"page_size": 20},
        "list_preset_elements": {"page_size": 20},
        "find_voices": {},
        "find_generations": {},
    }
    async with connect(spending=ALLOW) as client:
        await fill(client, world)
        answers = {name: await client.call_tool(name, asked) for name, asked in calls.items()}
    rows = {
        name: next(value for value in structured(answer).values() if isinstance(value, list) and value)
        for name, answer in answers.items()
    }
    assert {name: len(some) for name, some in rows.items()} == dict.fromkeys(calls, 20)
    sizes = {name: len(text_of(answer).encode()) for name, answer in answers.items()}
    assert {name: size for name, size in sizes.items() if size > 5_000} == {}
    found = text_of(answers["find_generations"])
    for file in (Path(file["path"]) for row in rows["find_generations"] for file in row["files"]):
        assert f'Files are in "{file.parent}".' in found
        assert f'path="{file.name}"' in found


async def test_answer_for_ten_clips_says_everything_in_five_kilobytes(connect: Connect, world: World) -> None:
    """Of each clip its state, its ids, its prompt, its price, its file and its link."""
    world.durations = lambda _kind, _rng: 5.0
    async with connect(spending=ALLOW) as client:
        made = [
            structured(await client.call_tool("generate_video", {"prompt": f"{number} walks", "wait_seconds": 0}))
            for number in range(10)
        ]
        ids = [view["task_id"] for view in made]
        result = await client.call_tool("wait_for_tasks", {"ids": ids, "wait_seconds": 600})
    assert structured(result)["pending"] == 0
    assert len(text_of(result).encode()) <= 5_800
