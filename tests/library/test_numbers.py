"""A number is matched exactly first, else by its beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kling_mcp.library.catalogue import Filters, Position
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from library.records import EVERYTHING, element, names

pytestmark = pytest.mark.anyio

SERIES = [*(f"Hero 0{number}" for number in range(10, 20)), "Hero 500", "Grey Heron", "Villain 5"]
TENS = [f"Hero 0{number}" for number in range(19, 9, -1)]


@pytest.fixture
def catalogue() -> Iterator[SqliteCatalogue]:
    made = SqliteCatalogue(None, "test")
    yield made
    made.close()


async def put(catalogue: SqliteCatalogue, written: list[str]) -> None:
    await catalogue.put([element(number, name) for number, name in enumerate(written, start=1)], now=1.0)


async def spelling(catalogue: SqliteCatalogue, text: str) -> str:
    return (await catalogue.search(text, EVERYTHING, 50)).spelling


@pytest.mark.parametrize("typed", ["Hero 5", "hero 5", "HERO-5", "Hero #5", "Hero\u3000５", "5 hero", "her 5"])
async def test_number_that_no_name_has_is_the_beginning_of_one(catalogue: SqliteCatalogue, typed: str) -> None:
    await put(catalogue, SERIES)
    assert await names(catalogue, typed) == ["Hero 500"]
    assert await spelling(catalogue, typed) == "begun"


@pytest.mark.parametrize("typed", ["Hero 5", "HERO-5", "5 hero"])
async def test_number_that_a_name_has_is_that_number_only(catalogue: SqliteCatalogue, typed: str) -> None:
    await put(catalogue, [*SERIES, "Hero 5", "Hero 50"])
    assert await names(catalogue, typed) == ["Hero 5"]
    assert await spelling(catalogue, typed) == "exact"


async def test_zeros_in_front_are_part_of_a_number(catalogue: SqliteCatalogue) -> None:
    await put(catalogue, SERIES)
    assert await names(catalogue, "Hero 01") == TENS
    assert await names(catalogue, "Hero 0") == TENS
    assert await names(catalogue, "Hero 012") == ["Hero 012"]
    await catalogue.put([element(90, "Hero 01")], now=1.0)
    assert await names(catalogue, "Hero 01") == ["Hero 01"]


@pytest.mark.parametrize(
    ("written", "typed", "expected"),
    [
        (["ep1_Rex", "ep16_Rex"], "ep1", ["ep1_Rex"]),
        (["ep16_Rex", "ep12_Rex"], "ep1", ["ep12_Rex", "ep16_Rex"]),
        (["ep16_Rex", "ep12_Rex"], "ep1 rex", ["ep12_Rex", "ep16_Rex"]),
        (["Hero5", "Hero50"], "hero5", ["Hero5"]),
        (["Hero50"], "hero5", ["Hero50"]),
        (["Scene 1 Mia", "Scene 12 Mia"], "scene 1 mia", ["Scene 1 Mia"]),
        (["Scene 12 Mia", "Scene 2 Mia"], "scene 1 mia", ["Scene 12 Mia"]),
        (["小红 5", "小红 500"], "小红5", ["小红 5"]),
        (["小红 500"], "小红 5", ["小红 500"]),
        (["ليلى ٥٠٠"], "ليلى ٥", ["ليلى ٥٠٠"]),
        (["R2-D2"], "r2", ["R2-D2"]),
        (["R2D2"], "r2", ["R2D2"]),
    ],
)
async def test_numbers_inside_and_beside_words_are_matched_alike(
    catalogue: SqliteCatalogue, written: list[str], typed: str, expected: list[str]
) -> None:
    await put(catalogue, written)
    assert await names(catalogue, typed) == expected


async def test_name_comes_before_a_number_in_a_description(catalogue: SqliteCatalogue) -> None:
    leo = element(2, "Leo", "hero of 5 wars")
    await catalogue.put([leo], now=1.0)
    assert await names(catalogue, "hero 5") == ["Leo"]
    await catalogue.put([element(1, "Hero 500")], now=1.0)
    assert await names(catalogue, "hero 5") == ["Hero 500", "Leo"]


async def test_number_in_descriptions_alone_is_exact_first(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Dwarf", "one of 7"), element(2, "Army", "one of 700")], now=1.0)
    assert await names(catalogue, "one of 7") == ["Dwarf"]
    assert await names(catalogue, "one of 70") == ["Army"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("Heor 5", "Hero 500"), ("Hero 0500", "Hero 500"), ("Villain 05", "Villain 5")]
)
async def test_typing_errors_and_zeros_are_forgiven_where_nothing_else_matches(
    catalogue: SqliteCatalogue, typed: str, meant: str
) -> None:
    await put(catalogue, SERIES)
    assert await names(catalogue, typed) == [meant]
    assert await spelling(catalogue, typed) == "corrected"


async def test_number_is_never_another_number(catalogue: SqliteCatalogue) -> None:
    await put(catalogue, ["Clip 7", "Clip 8", "Clip 70"])
    for typed in ("clip 9", "clip 17", "clip 77", "clip 700"):
        assert await names(catalogue, typed) == [], typed


async def test_filter_decides_which_number_there_is(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Hero 5", status="deleted"), element(2, "Hero 500")], now=1.0)
    assert await names(catalogue, "Hero 5", Filters(statuses=("ready",))) == ["Hero 500"]
    assert await names(catalogue, "Hero 5", Filters(statuses=("deleted",))) == ["Hero 5"]


async def test_id_that_is_a_number_is_not_the_beginning_of_others(catalogue: SqliteCatalogue) -> None:
    await put(catalogue, ["Mia", "Box 3000001000"])
    assert await names(catalogue, "3000001") == ["Mia"]


async def test_pages_by_beginning_are_the_whole_answer(catalogue: SqliteCatalogue) -> None:
    await put(catalogue, SERIES)
    found: list[str] = []
    after: Position | None = None
    while after is not None or not found:
        hits = await catalogue.search("Hero 01", EVERYTHING, 3, after)
        found += [record.element_name for record in hits.elements]
        after = hits.next_position
    assert found == TENS
