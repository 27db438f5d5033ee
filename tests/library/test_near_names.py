"""What is told where nothing matches: the closest names for real, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kling_mcp.library.catalogue import Filters
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from library.records import EVERYTHING, element

pytestmark = pytest.mark.anyio


@pytest.fixture
def catalogue() -> Iterator[SqliteCatalogue]:
    made = SqliteCatalogue(None, "test")
    yield made
    made.close()


async def near(catalogue: SqliteCatalogue, text: str, filters: Filters = EVERYTHING) -> list[str]:
    return [record.element_name for record in await catalogue.near(text, filters, 5)]


@pytest.mark.parametrize(
    ("written", "typed", "expected"),
    [
        (["Mia Rossi", "Leo"], "Mia Rosi", ["Mia Rossi"]),
        (["Mia Rossi", "Leo"], "Rossi, Mario", ["Mia Rossi"]),
        (["Mia Rossi", "Leo"], "Mia Bell", ["Mia Rossi"]),
        (["Grey Heron", "Hero 500", "Villain 5"], "Hero 5", ["Hero 500"]),
        (["Grey Heron", "Villain 5"], "Hero 5", []),
        (["Hero 500", "Hero 019", "Villain 99"], "Hero 99", ["Hero 019", "Hero 500"]),
        (["The Castle", "The Old Castle"], "the fox with the hat", []),
        (["Leo 5", "Mia 5"], "5", ["Mia 5", "Leo 5"]),
        (["Leo 5", "Mia 5"], "Zebra 5", []),
        (["小红帽", "大灰狼"], "小红猫", ["小红帽"]),
        (["小红帽", "大灰狼"], "小白兔", []),
        (["Red Fox Hunter", "Red Box"], "red fox rider", ["Red Fox Hunter"]),
        (["ep16_Rex", "ep17_Ada"], "ep18_Rex", ["ep16_Rex"]),
        (["Barista"], "zzz", []),
    ],
)
async def test_closest_names_are_close_for_real(
    catalogue: SqliteCatalogue, written: list[str], typed: str, expected: list[str]
) -> None:
    await catalogue.put([element(number, name) for number, name in enumerate(written, start=1)], now=1.0)
    assert await near(catalogue, typed) == expected


async def test_description_makes_no_name_similar(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia", "a barista with a green apron")], now=1.0)
    assert await near(catalogue, "barista") == []


async def test_near_names_keep_to_the_filters(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia Rossi", status="deleted"), element(2, "Mia Bell", source="preset")], now=1.0)
    assert await near(catalogue, "Mia Kraus", Filters(statuses=("ready",))) == ["Mia Bell"]
    assert await near(catalogue, "Mia Kraus", Filters(sources=("custom",))) == ["Mia Rossi"]


async def test_names_that_share_most_come_first_in_a_large_library(catalogue: SqliteCatalogue) -> None:
    """More names share one word than are looked at."""
    crowd = [element(number, f"Fox {number}") for number in range(2, 300)]
    await catalogue.put([element(1, "Fox Hunter"), *crowd], now=1.0)
    assert (await near(catalogue, "fox hunter emma"))[0] == "Fox Hunter"
