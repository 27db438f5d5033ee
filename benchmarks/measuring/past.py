"""Ten thousand generations, generated: what Kling lists of them, what the journal knows of them, and a bare look.

The bare look reads all pages and rows as JSON, and keeps what has all words in its prompt: it decodes nothing into
types, joins nothing, orders nothing, knows no files, and keeps nothing from look to look.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from kling_mcp.account import Account
from kling_mcp.generation.history import Wanted
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.generation.past_lists import PAGE_SIZE
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.tasks.budget import Cost
from kling_mcp.tasks.intent import make_intent

PAGE = 20
NEWEST_MS = 1_790_000_000_000
_SCENES = ("harbour", "kitchen", "forest", "rooftop", "station", "desert", "market", "library", "meadow", "canyon")
_DEEDS = ("waves", "dances", "sleeps", "runs", "paints", "reads", "sings", "climbs", "waits", "laughs")
_PEOPLE = ("Mia", "Leo", "Ana", "Noah", "Ida", "Omar", "Lena", "Ravi", "Zoe", "Hugo")


def prompt_of(number: int) -> str:
    """What was asked for; always the same for a number."""
    dice = number * 2_654_435_761 % 2**32
    person, deed = _PEOPLE[dice % 10], _DEEDS[dice // 13 % 10]
    return f"@{person} {deed} in the {_SCENES[dice // 171 % 10]}, take {number}, slow push in, morning light"


def product_of(number: int) -> str:
    """Two pictures to a video."""
    return "video" if number % 3 == 0 else "image"


class GeneratedList(httpx.AsyncBaseTransport):
    """Answers `POST /tasks`, newest first; pages are made once. `seconds` is what answering took."""

    def __init__(self, generations: int) -> None:
        numbers = range(generations, 0, -1)
        self.rows = {
            product: [_record(number) for number in numbers if product_of(number) == product]
            for product in ("video", "image")
        }
        self.pages: dict[tuple[str, int], bytes] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(await request.aread())
        given = asked.get("cursor") or f"{asked['filters'][0]['values'][0]} 0"
        return httpx.Response(200, content=self.page(given, asked["limit"]))

    def page(self, cursor: str, limit: int) -> bytes:
        """From a product and a place in its list."""
        if (cursor, limit) not in self.pages:
            product, start = cursor.split(maxsplit=1)[0], int(cursor.split()[1])
            rows, end = self.rows[product], int(start) + limit
            data = {
                "result": rows[start:end],
                "has_more": end < len(rows),
                "next_cursor": f"{product} {end}" if end < len(rows) else "",
            }
            answer = {"code": 0, "message": "SUCCEED", "request_id": "bench", "data": data}
            self.pages[cursor, limit] = json.dumps(answer).encode()
        return self.pages[cursor, limit]


def _record(number: int) -> dict[str, Any]:
    moment = NEWEST_MS + number * 1000
    kind, suffix = product_of(number), "mp4" if product_of(number) == "video" else "png"
    output = {"type": kind, "url": f"https://p1-kling.klingai.com/results/{number}/0.{suffix}?Expires=1800000000"}
    return {
        "id": str(880_000_000_000_000_000 + number),
        "external_id": f"bench-{number}",
        "status": "succeeded",
        "message": "",
        "outputs": [output | ({"duration": "5.041"} if kind == "video" else {})],
        "billing": [],
        "create_time": moment,
        "update_time": moment + 60_000,
    }


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of search, in our words and as words of a prompt."""

    kind: str
    wanted: Wanted
    words: str = ""


QUESTIONS = (
    Question("nothing asked", Wanted()),
    Question("two words", Wanted(query="dances harbour"), "dances harbour"),
    Question("a number", Wanted(query="take 777"), "take 777"),
    Question("pictures alone", Wanted(query="kitchen", product="image"), "kitchen"),
    Question("lookalike letters", Wanted(query="ｋｉｔｃｈｅｎ"), "kitchen"),
    Question("no hit", Wanted(query="zeppelin"), "zeppelin"),
)


async def fill(account: Account, numbers: Sequence[int]) -> None:
    """The journal, as if these had been made here."""
    for number in numbers:
        memo = GenerationMemo(prompt=prompt_of(number), model="3.0-omni", settings={"resolution": "720p"})
        product = product_of(number)
        intent = make_intent(
            product,
            account.client.account,
            [number],
            label=f"{number}",
            memo=memo.to_journal(),
            cost=Cost(product, Decimal(3)),
        )
        entry, _ = await account.journal.claim(intent, "")
        task_id = str(880_000_000_000_000_000 + number)
        await account.journal.release(replace(entry, state="ready", task_id=task_id))


def bare_look(kling: GeneratedList, state: Path, words: str) -> int:
    """How many have all the words; nothing is kept from look to look."""
    for (_, limit), content in kling.pages.items():
        if limit == PAGE_SIZE:
            json.loads(content)
    with sqlite3.connect(next(state.glob("*.sqlite3"))) as db:
        rows = db.execute("SELECT memo FROM tasks WHERE product <> '' ORDER BY created_at DESC").fetchall()
    prompts = [str(json.loads(memo).get("prompt", "")).casefold() for (memo,) in rows]
    return sum(all(word in prompt for word in words.split()) for prompt in prompts)


async def look(generations: int, made_here: int, state: Path, rounds: int) -> list[tuple[object, ...]]:
    """A row for each question: ours and the bare look in milliseconds of processor time, their ratio, our hits."""
    kling = GeneratedList(generations)
    settings = Settings(api_key="bench", base_url="https://kling.invalid", state_dir=state, output_dir=state / "out")
    runtime = Runtime(settings, make_transport=lambda: kling)
    account = runtime.own_account()
    await fill(account, range(generations - made_here + 1, generations + 1))
    rows: list[tuple[object, ...]] = []
    for question in (Question("first call", Wanted()), *QUESTIONS):
        mine, bare, hits = [], [], 0
        for _ in range(1 if not rows else rounds):
            began = time.process_time()
            found = await account.generations.find(question.wanted)
            await account.generations.with_files(found.generations[:PAGE])
            mine.append(time.process_time() - began)
            hits = len(found.generations)
            began = time.process_time()
            bare_look(kling, state, question.words)
            bare.append(time.process_time() - began)
        ours, floor = min(mine) * 1000, min(bare) * 1000
        rows.append((question.kind, f"{ours:.0f}", f"{floor:.0f}", f"{ours / floor:.2f}", hits))
    await runtime.aclose()
    return rows
