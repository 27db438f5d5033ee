"""How fast a library as long as Kling allows is read and searched, beside a plain scan and beside bare SQLite FTS5.

    python benchmarks/lookup.py [--elements 500000] [--keep FOLDER] [--quick]

The elements are generated, never stored with this project. The fill goes through `KlingClient` and `Library`, as in
the server; a small transport writes Kling's pages. All three searches see the same rows in the same run. Each search
is asked with several different words and counts all matches beside giving the newest 20; the figure is the median.

Bare FTS5 is a full-text table with SQLite's own tokenizers and nothing of this project: `unicode61` for words,
`trigram` for runs of characters. It is asked the same: all words, each from its beginning, in any text, of elements
that are not deleted. It ranks nothing, and knows no typing errors, no ids and no single characters of Chinese.
The plain scan looks at lists in memory that were folded beforehand.

A number that no name has is matched by its beginning, which bare FTS5 is asked for at once. A search without a hit is
followed by the question for names that are close, as the tool does it. Lookalikes are names in full-width letters.

Ten thousand generations are searched as `find_generations` does: Kling's lists, joined with the journal's entries, a
thousand of them, and the files of a page looked up on the disk. The first call reads all; later ones read what may have
changed. Beside it stands a bare look, which reads all pages and rows as JSON at each call and keeps what has all words
in its prompt: the least that any search costs that keeps nothing.
All times are processor time, so that a busy computer does not count.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import httpx
from mcp import Client
from mcp_types import TextContent
from measuring.past import look
from measuring.report import table

from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.sender import Sender
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.library.catalogue import Filters
from kling_mcp.library.folding import fold
from kling_mcp.library.index import Library
from kling_mcp.library.spelling import distance
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings

NEWEST_MS = 1_790_000_000_000
PAGE = 20
CLOSEST = 5
GENERATIONS, MADE_HERE = 10_000, 1_000
READY = Filters(sources=("custom",), statuses=("ready",))


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words("Mia Leo Ana Noah Ida Omar Lena Ravi Zoe Hugo Nora Igor Yara Paul Emma Jan Sofia Amir Clara Finn")
LAST = _words("Bell Rossi Kraus Silva Novak Okafor Tanaka Larsen Moreau Costa Weber Haddad Lindqvist Petrov Marlowe")
THINGS = _words("lantern teapot basket raincoat umbrella bicycle rocket piano compass saddle helmet anchor")
LOOKS = _words("red green pale striped velvet wooden rusty silver cheerful weary ancient freckled tall quiet")
PLACES = _words("harbour kitchen forest rooftop station desert market library meadow theatre workshop canyon")
HAN = "小红帽东京塔海边少年古城猫狐狸老师厨娘骑士月光森林山谷木偶飞行员渔夫花园"
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
TAGS = [("o_102", "Character"), ("o_103", "Animal"), ("o_104", "Item"), ("o_105", "Costume"), ("o_106", "Scene")]


@dataclass(frozen=True, slots=True)
class Made:
    """A generated element; number 1 is the oldest."""

    number: int
    name: str
    description: str
    tag: tuple[str, str]
    status: str


def make(number: int) -> Made:
    """The element of this number, always the same: names people give, some Chinese, some serial numbers."""
    dice = number * 2_654_435_761 % 2**32
    first, last = FIRST[dice % len(FIRST)], LAST[dice // 31 % len(LAST)]
    match dice // 7 % 10:
        case 0 | 1:
            start = dice // 11 % (len(HAN) - 4)
            name = HAN[start : start + 2 + dice % 3] + str(number % 1000)
        case 2 | 3 | 4:
            name = f"{THINGS[dice // 13 % len(THINGS)].title()} {number}"
        case 5:
            name = f"{first}{_syllables(dice)}"
        case _:
            name = f"{first} {last}"
    words = [LOOKS[dice // 17 % len(LOOKS)], LOOKS[dice // 239 % len(LOOKS)], THINGS[dice // 41 % len(THINGS)]]
    description = f"{first}, {words[0]} and {words[1]}, with a {words[2]} in the {PLACES[dice // 53 % len(PLACES)]}"
    status = "deleted" if dice // 59 % 20 == 0 else "succeed"
    return Made(number, name[:20], description, TAGS[dice // 61 % len(TAGS)], status)


def _syllables(dice: int) -> str:
    """Names that nearly nobody else has, so that the vocabulary is large."""
    return "".join("bcdfglmnprstvz"[dice // 14**place % 14] + "aeiou"[dice // 5**place % 5] for place in range(3))


class GeneratedKling(httpx.AsyncBaseTransport):
    """Answers the list of elements, newest first, and an empty list of official ones."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        self.requests = 0
        self.seconds = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        began = time.process_time()
        self.requests += 1
        page_num, page_size = int(request.url.params["pageNum"]), int(request.url.params["pageSize"])
        records: list[dict[str, object]] = []
        if "presets" not in request.url.path:
            newest = self.elements - (page_num - 1) * page_size
            records = [_record(make(number)) for number in range(newest, max(newest - page_size, 0), -1)]
        body = json.dumps({"code": 0, "message": "SUCCEED", "request_id": "bench", "data": records}).encode()
        self.seconds += time.process_time() - began
        return httpx.Response(200, content=body)


def _record(made: Made) -> dict[str, object]:
    moment = NEWEST_MS + made.number * 1000
    element = {
        "element_id": 300_000_000_000_000 + made.number,
        "element_name": made.name,
        "element_description": made.description,
        "reference_type": "image_refer",
        "element_image_list": {
            "frontal_image": f"https://pictures.example.com/{made.number}/front.png",
            "refer_images": [{"image_url": f"https://pictures.example.com/{made.number}/side.png"}],
        },
        "element_video_list": {},
        "element_voice_info": {},
        "tag_list": [{"id": made.tag[0], "name": made.tag[1], "description": made.tag[1]}],
        "owned_by": "10000001",
        "status": made.status,
    }
    return {
        "task_id": str(880_000_000_000_000_000 + made.number),
        "task_status": "succeed",
        "task_status_msg": "",
        "task_info": {"external_task_id": f"bench-{made.number}"},
        "task_result": {"elements": [element]},
        "final_unit_deduction": "0",
        "created_at": moment,
        "updated_at": moment,
    }


class Bare:
    """The same rows in bare FTS5 tables."""

    def __init__(self, path: Path, elements: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -16000")
        self._db.execute("CREATE VIRTUAL TABLE bare USING fts5 (name, description, tag, status)")
        self._db.execute("CREATE VIRTUAL TABLE runs USING fts5 (name, description, status, tokenize='trigram')")
        for start in range(1, elements + 1, 500):
            numbers = range(start, min(start + 500, elements + 1))
            rows = [(m.number, m.name, m.description, m.tag[1], m.status) for m in map(make, numbers)]
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO bare (rowid, name, description, tag, status) VALUES (?, ?, ?, ?, ?)", rows
            )
            runs = [(number, name, description, status) for number, name, description, _, status in rows]
            self._db.executemany("INSERT INTO runs (rowid, name, description, status) VALUES (?, ?, ?, ?)", runs)
            self._db.execute("COMMIT")

    def words(self, text: str) -> int:
        """All words, each from its beginning; numbers as they are."""
        wanted = " AND ".join(f'"{word}"' if word.isdecimal() else f'"{word}" *' for word in text.split())
        return self._newest("bare", f"{{name description tag}} : ({wanted}) AND status : succeed")

    def begun(self, text: str) -> int:
        """All words, each from its beginning, numbers too."""
        wanted = " AND ".join(f'"{word}" *' for word in text.split())
        return self._newest("bare", f"{{name description tag}} : ({wanted}) AND status : succeed")

    def newest(self, _: str) -> int:
        """What is not deleted."""
        return self._newest("bare", "status : succeed")

    def run(self, text: str) -> int:
        """A run of three or more characters."""
        return self._newest("runs", f'{{name description}} : "{text}" AND status : succeed')

    def _newest(self, table: str, match: str) -> int:
        """The newest matches with their texts, and how many there are."""
        sql = f"FROM {table} WHERE {table} MATCH ?"
        self._db.execute(f"SELECT * {sql} ORDER BY rowid DESC LIMIT {PAGE}", (match,)).fetchall()
        return int(self._db.execute(f"SELECT count(*) {sql}", (match,)).fetchone()[0])


class Scan:
    """The same rows in lists, folded beforehand, newest first."""

    def __init__(self, elements: int) -> None:
        made = [make(number) for number in range(elements, 0, -1)]
        self._rows = [(fold(f"{m.name} {m.description} {m.tag[1]}"), m.tag[1], m.status, m.number) for m in made]
        self._names = [fold(m.name).split() for m in made]

    def words(self, text: str) -> int:
        """Every word somewhere in the text."""
        wanted = fold(text).split()
        hits = [row for row in self._rows if row[2] == "succeed" and all(word in row[0] for word in wanted)]
        return len(hits) if hits[:PAGE] is not None else 0

    def tag(self, name: str) -> int:
        """One tag."""
        hits = [row for row in self._rows if row[2] == "succeed" and row[1] == name]
        return len(hits)

    def similar(self, text: str) -> int:
        """Names with a word that is one error away."""
        word = fold(text)
        return sum(any(distance(word, rival, 1) == 1 for rival in names) for names in self._names)


@dataclass(frozen=True, slots=True)
class Search:
    """One kind of search: what is asked of each of the three. None where one of them cannot do it."""

    kind: str
    texts: tuple[str, ...]
    filters: Filters
    bare: Callable[[Bare, str], int] | None
    scan: Callable[[Scan, str], int]
    scans: int = 3


def searches(elements: int) -> Iterator[Search]:
    """Typical ones, each with several texts so that nothing is answered from the last answer."""
    some = [made for made in map(make, range(elements // 3, elements // 3 + 400)) if made.name.isascii()]
    serial = tuple(made.name for made in some if made.name[-1].isdecimal())[:9]
    rare = tuple(made.name for made in some if " " not in made.name)[:9]
    names = tuple(f"{first} {last}" for first, last in zip(FIRST[:9], LAST[:9], strict=True))
    runs = tuple(HAN[place : place + 3] for place in range(0, 27, 3))
    typos = ("Rosi", "Karus", "Slva", "Novka", "Lasen", "Moreaux", "Coste", "Wber", "Petrof")
    pairs = tuple(f"{look} {place}" for look, place in zip(LOOKS[:9], PLACES[:9], strict=True))
    ids = tuple(str(300_000_000_000_000 + made.number) for made in some[:9])
    tagged = tuple(replace(READY, tags=(name,)) for _, name in TAGS)
    yield Search("exact name", names, READY, Bare.words, Scan.words)
    yield Search("rare name", rare, READY, Bare.words, Scan.words)
    yield Search("serial name", serial, READY, Bare.words, Scan.words)
    begun = tuple(f"{name.split()[0]} {_unused(name)}" for name in serial)
    yield Search("number, begun", begun, READY, Bare.begun, Scan.words)
    wide = tuple(name.translate(FULL_WIDTH) for name in names)
    yield Search("lookalike letters", wide, READY, None, Scan.words)
    yield Search("no hit, what is close", tuple(f"{last} zeppelin" for last in LAST[:9]), READY, None, Scan.words)
    yield Search("prefix", tuple(last[:4] for last in LAST[:9]), READY, Bare.words, Scan.words)
    yield Search("two words", pairs, READY, Bare.words, Scan.words)
    yield Search("one word, many hits", tuple(LOOKS[:9]), READY, Bare.words, Scan.words)
    yield Search("typing error", typos, READY, None, Scan.similar, scans=1)
    yield Search("Chinese, 3 characters", runs, READY, Bare.run, Scan.words)
    yield Search("Chinese, 2 characters", tuple(run[:2] for run in runs), READY, None, Scan.words)
    yield Search("Chinese, 1 character", tuple(run[:1] for run in runs), READY, None, Scan.words)
    yield Search("tag, no words", ("Scene",), tagged[-1], lambda bare, tag: bare.words(f"{tag}"), Scan.tag)
    yield Search("nothing asked", ("",), READY, Bare.newest, Scan.words)
    yield Search("element id", ids, READY, None, Scan.words)


def _unused(name: str) -> str:
    """The beginning of a serial number, with which hardly anything else of that name ends."""
    return name.rpartition(" ")[2][:-1]


async def fill(library: Library, kling: GeneratedKling) -> None:
    """Read everything, as many calls as that takes."""
    began = time.process_time()
    calls = 0
    while True:
        calls += 1
        (condition,) = await library.refresh(("custom",))
        if not condition.is_first_reading:
            break
    seconds = time.process_time() - began
    own = seconds - kling.seconds
    print(
        f"fill: {kling.requests} requests in {calls} portions, {seconds:.1f} s; making the pages {kling.seconds:.1f} s"
    )
    print(f"      {own / kling.elements * 10_000:.2f} s per 10,000 elements without that")
    print(f"      {_rss()}")


def _rss() -> str:
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"memory of the process: {int(now.split()[1]) / 1024:.0f} MB now, {peak:.0f} MB at most"


async def ask(library: Library, search: Search) -> tuple[float, int]:
    """Milliseconds in the middle, and the hits of the last one."""
    times = []
    total = 0
    for text in search.texts * (9 // len(search.texts)):
        began = time.process_time()
        found = await library.search("" if search.filters.tags else text, search.filters, PAGE)
        if not found.page.total:
            await library.catalogue.near(text, search.filters, CLOSEST)
        times.append(time.process_time() - began)
        total = found.page.total
    return statistics.median(times) * 1000, total


def timed(work: Callable[[str], int], texts: tuple[str, ...], rounds: int = 0) -> tuple[float, int]:
    times = []
    total = 0
    for text in texts * (rounds or 9 // len(texts)):
        began = time.process_time()
        total = work(text)
        times.append(time.process_time() - began)
    return statistics.median(times) * 1000, total


async def answer_sizes() -> None:
    """What a model reads of 620 elements, beside a page of as many as Kling sends it."""
    kling = GeneratedKling(620)
    settings = Settings(api_key="bench", base_url="https://kling.invalid", state_dir=Path(tempfile.mkdtemp()))
    server = build_server(settings, Runtime(settings, make_transport=lambda: kling))
    async with Client(server) as client:
        result = await client.call_tool("find_elements", {})
    text = sum(len(block.text.encode()) for block in result.content if isinstance(block, TextContent))
    rows = len((result.structured_content or {})["elements"])
    pages = [json.dumps([_record(make(620 - number)) for number in range(size)]).encode() for size in (rows, 500)]
    structure = len(json.dumps(result.structured_content, ensure_ascii=False).encode())
    print(f"default answer over 620 elements, {rows} rows: {text} bytes of text, {structure} as structured content")
    print(f"as Kling sends them: {len(pages[0])} bytes for {rows}, {len(pages[1])} for a page of 500")
    shutil.rmtree(settings.state_dir or "", ignore_errors=True)


async def generations(share: float) -> None:
    """The table of this share of all generations."""
    listed, made_here = round(GENERATIONS * share), round(MADE_HERE * share)
    with tempfile.TemporaryDirectory() as scratch:
        rows = await look(listed, made_here, Path(scratch), rounds=3)
    titles = (f"{listed} generations, ms", "ours", "bare look", "ours / bare look", "hits")
    print("\n" + table(titles, rows))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=500_000)
    parser.add_argument("--keep", type=Path, default=None, help="keep the index file in this folder")
    parser.add_argument("--quick", dest="elements", action="store_const", const=1200, help="a small library")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        clock = SystemClock()
        kling = GeneratedKling(options.elements)
        sender = Sender("https://kling.invalid", clock, make_transport=lambda: kling)
        library = Library(KlingClient(sender, ApiKey("bench"), clock), SqliteCatalogue(folder, "bench"), clock)
        await fill(library, kling)
        kinds = list(searches(options.elements))
        ours = [await ask(library, search) for search in kinds]
        megabytes = sum(file.stat().st_size for file in folder.glob("library-*")) / 2**20
        print(f"after the searches: {_rss()}, index file {megabytes:.0f} MB")
        bare, scan = Bare(Path(scratch) / "bare.sqlite3", options.elements), Scan(options.elements)
        gc.freeze()
        titles = ("ours", "bare", "scan", "ours/bare", "scan/ours", "hits")
        print(f"{'median of a search, ms':26}{''.join(f'{title:>11}' for title in titles)}")
        beside_bare, beside_scan = [], []
        for search, (mine, hits) in zip(kinds, ours, strict=True):
            raw = timed(partial(search.bare, bare), search.texts)[0] if search.bare else None
            slow = timed(partial(search.scan, scan), search.texts[: search.scans], rounds=1)[0]
            beside = ("-", "-") if raw is None else (f"{raw:.2f}", f"{mine / raw:.2f}")
            figures = (f"{mine:.2f}", beside[0], f"{slow:.1f}", beside[1], f"{slow / mine:.0f}", str(hits))
            print(f"{search.kind:26}{''.join(f'{figure:>11}' for figure in figures)}")
            beside_scan.append(slow / mine)
            if raw is not None:
                beside_bare.append(mine / raw)
        print(f"in the middle: ours/bare {statistics.median(beside_bare):.2f}, ", end="")
        print(f"scan/ours {statistics.median(beside_scan):.0f}")
        library.close()
        await sender.aclose()
    await answer_sizes()
    await generations(min(1.0, options.elements / 50_000))


if __name__ == "__main__":
    sys.exit(anyio.run(main))
