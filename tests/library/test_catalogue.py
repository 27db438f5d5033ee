"""What the catalogue finds, in which order, and what it makes of news."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from kling_mcp.library.catalogue import Filters, Position, SearchPage
from kling_mcp.library.records import LibraryElement
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from library.records import BEGAN, EVERYTHING, element, names, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def catalogue() -> Iterator[SqliteCatalogue]:
    made = SqliteCatalogue(None, "test")
    yield made
    made.close()


# --- words


async def test_the_exact_name_comes_first_then_what_is_like_it(catalogue: SqliteCatalogue) -> None:
    written = ["Anna Mia", "Miami", "mia", "Mía Bell", "Mia", "Bob"]
    records = [element(place, name) for place, name in enumerate(written, start=1)]
    records[-1] = element(6, "Bob", "a friend of Mia")
    await catalogue.put(records, now=1.0)
    assert await names(catalogue, "Mia") == ["Mia", "mia", "Mía Bell", "Miami", "Anna Mia", "Bob"]


async def test_ties_are_newest_first(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(2, "Mia", "second"), element(3, "Mia", "third"), element(1, "Mia", "first")], now=1.0)
    hits = await catalogue.search("Mia", EVERYTHING, 50)
    assert [found.element_description for found in hits.elements] == ["third", "second", "first"]


async def test_empty_query_gives_all_elements_newest_first(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "A"), element(3, "C"), element(2, "B")], now=1.0)
    assert await names(catalogue, "") == ["C", "B", "A"]
    assert await names(catalogue, "  ") == ["C", "B", "A"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Zoë Straße", "zoe strasse"),
        ("Łukasz", "LUKASZ"),
        ("Мария", "МАРИЯ"),
        ("ＭＩＡ", "mia"),
        ("東京タワー", "東"),
        ("東京タワー", "京タ"),
        ("東京タワー", "タワー"),
        ("小红帽", "红"),
        ("小红帽", "红帽"),
        ("김철수", "철수"),
        ("หมอนัท", "อนั"),
        ("हिन्दी", "हिन"),
        ("مريم", "مريم"),
        ("🦊 Fox", "🦊"),
        ("Barista Mia", "bari"),
        ("Mia's hat", "mia s"),
        ("!!!", "!!!"),
        ("東京Tower", "京 tow"),
    ],
)
async def test_every_script_is_found(catalogue: SqliteCatalogue, name: str, wanted: str) -> None:
    await catalogue.put([element(1, name), element(2, "Somebody else")], now=1.0)
    assert await names(catalogue, wanted) == [name]


async def test_descriptions_and_tags_and_voices_are_words_too(catalogue: SqliteCatalogue) -> None:
    fox = element(1, "Foxy", "orange fur, 戴帽子", tags=("Animal",), voice_id="83", voice_name="Calm Alto")
    await catalogue.put([fox, element(2, "Mia")], now=1.0)
    for wanted in ("orange", "帽", "animal", "alto", "foxy fur"):
        assert await names(catalogue, wanted) == ["Foxy"], wanted


async def test_words_of_a_query_must_all_match(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Red Fox"), element(2, "Red Hat")], now=1.0)
    assert await names(catalogue, "red fox") == ["Red Fox"]


async def test_a_number_is_that_number_and_no_other(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Clip 7"), element(2, "Clip 8"), element(3, "Clip 70")], now=1.0)
    assert await names(catalogue, "clip 7") == ["Clip 7"]
    assert await names(catalogue, "clip 9") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Barisat", "Barista"),
        ("Brista", "Barista"),
        ("Barrista", "Barista"),
        ("Garista", "Barista"),
        ("Baristo", "Barista"),
        ("Christofer", "Christopher"),
        ("Crhistopher", "Christopher"),
        ("Christophr", "Christopher"),
        ("Tmo", "Tom"),
        ("Мраия", "Мария"),
    ],
)
async def test_a_typing_error_is_forgiven(catalogue: SqliteCatalogue, typed: str, meant: str) -> None:
    written = ["Barista", "Christopher", "Tom", "Мария"]
    await catalogue.put([element(place, name) for place, name in enumerate(written)], now=1.0)
    hits = await catalogue.search(typed, EVERYTHING, 50)
    assert [found.element_name for found in hits.elements] == [meant]
    assert hits.spelling == "corrected"


async def test_errors_are_forgiven_only_where_nothing_matches_as_written(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "Mai")], now=1.0)
    assert await names(catalogue, "Mai") == ["Mai"]


async def test_misspelt_word_among_several_is_corrected(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Red Fox"), element(2, "Red Box")], now=1.0)
    assert await names(catalogue, "rde fox") == ["Red Fox"]


async def test_small_words_need_not_match_where_nothing_matches_with_them(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia", "Barista, green apron"), element(2, "The Cat", "with hat")], now=1.0)
    for wanted in ("barista with apron", "the barista", "a barista in an apron"):
        hits = await catalogue.search(wanted, EVERYTHING, 50)
        assert ([found.element_name for found in hits.elements], hits.spelling) == (["Mia"], "corrected"), wanted
    assert await names(catalogue, "the cat with") == ["The Cat"]
    assert await names(catalogue, "with the") == ["The Cat"]


async def test_words_that_exist_elsewhere_may_be_wrong_as_well(catalogue: SqliteCatalogue) -> None:
    """Both words occur, but never together: then each may be a slip."""
    await catalogue.put([element(1, "Green Box"), element(2, "Red Fox"), element(3, "Greek Ship")], now=1.0)
    hits = await catalogue.search("greek box", EVERYTHING, 50)
    assert [found.element_name for found in hits.elements] == ["Green Box"]
    assert hits.spelling == "similar"


async def test_uncorrectable_query_finds_nothing(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "東京")], now=1.0)
    for wanted in ("zzzzzz", "大阪", "mia zzzzzz", "%", '"', "mia* OR", "NEAR(mia"):
        assert "東京" not in await names(catalogue, wanted), wanted
    assert await names(catalogue, "zzzzzz") == await names(catalogue, "大阪") == []


async def test_the_language_of_the_index_means_nothing_in_a_query(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia NOT Bob"), element(2, "Mia")], now=1.0)
    assert await names(catalogue, "mia NOT bob") == ["Mia NOT Bob"]
    assert await names(catalogue, "name : ^mia") == []


async def test_a_very_long_query_is_answered(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=1.0)
    assert await names(catalogue, "mia " * 500) == ["Mia"]
    assert await names(catalogue, "東京" * 100) == []


# --- ids


@pytest.mark.parametrize("any_id", ["3000001", "8800001", "mine-1", "831"])
async def test_any_id_finds_its_element_first(catalogue: SqliteCatalogue, any_id: str) -> None:
    wanted = element(1, "Mia", external_task_id="mine-1", voice_id="831", voice_name="Alto")
    other = element(2, f"Named {any_id}")
    await catalogue.put([wanted, other], now=1.0)
    assert await names(catalogue, any_id) == ["Mia", f"Named {any_id}"]


async def test_an_id_that_is_a_word_of_the_same_element_counts_once(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Box 3000001")], now=1.0)
    assert await names(catalogue, "3000001") == ["Box 3000001"]


async def test_by_id_only_the_very_id_counts(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "Leo", external_task_id="8800001")], now=1.0)
    assert [found.element_name for found in await catalogue.with_id("8800001")] == ["Leo", "Mia"]
    assert await catalogue.with_id("880000") == []
    assert await catalogue.with_id("") == []


async def test_by_name_only_the_very_name_counts(catalogue: SqliteCatalogue) -> None:
    """As it is shown: blanks at the ends do not count, case does."""
    await catalogue.put([element(1, "Mia"), element(2, "mia"), element(3, "Mia "), running(4)], now=1.0)
    assert [found.element_id for found in await catalogue.with_name("Mia")] == ["3000003", "3000001"]
    assert await catalogue.with_name("\u200b") == []


async def test_newest_fifty_of_one_name_are_shown(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(number, "Mia") for number in range(1, 61)], now=1.0)
    found = await catalogue.with_name("Mia")
    assert [one.element_id for one in found] == [f"3000{number:03}" for number in range(60, 10, -1)]


# --- filters and counts


async def test_filters_narrow_what_words_find(catalogue: SqliteCatalogue) -> None:
    mine = element(1, "Mia", tags=("Character", "Hottest"), voice_id="83")
    official = element(2, "Mia", source="preset", tags=("Animal",))
    gone = element(3, "Mia", status="deleted")
    coming = running(4, element_name="Mia")
    failed = running(5, element_name="Mia", status="failed")
    await catalogue.put([mine, official, gone, coming, failed], now=1.0)
    expected = {
        Filters(): 5,
        Filters(sources=("custom",)): 4,
        Filters(sources=("preset",)): 1,
        Filters(sources=("custom", "preset")): 5,
        Filters(statuses=("ready",)): 2,
        Filters(statuses=("deleted",)): 1,
        Filters(statuses=("pending", "failed")): 2,
        Filters(statuses=("ready", "deleted")): 3,
        Filters(sources=("custom",), statuses=("ready",)): 1,
        Filters(tags=("character",)): 1,
        Filters(tags=("Animal", "hottest")): 2,
        Filters(tags=("Scene",)): 0,
        Filters(has_voice="yes"): 1,
        Filters(has_voice="no"): 4,
        Filters(sources=("preset",), has_voice="yes"): 0,
    }
    for filters, count in expected.items():
        assert len(await names(catalogue, "mia", filters)) == count, filters
        assert len(await names(catalogue, "", filters)) == count, filters
    assert await catalogue.counts("mia", list(expected)) == list(expected.values())
    assert await catalogue.counts("", list(expected)) == list(expected.values())


async def test_the_census_counts_and_names_tags(catalogue: SqliteCatalogue) -> None:
    await catalogue.put(
        [element(1, "A", tags=("Character",)), element(2, "B", source="preset", tags=("Größe",)), running(3)], now=1.0
    )
    census = await catalogue.census()
    assert census.counts == {("custom", "ready"): 1, ("preset", "ready"): 1, ("custom", "pending"): 1}
    assert (census.of("custom"), census.of("preset")) == (2, 1)
    assert census.tags == ("character", "grosse")


async def test_names_that_several_ready_elements_carry_are_pointed_out(catalogue: SqliteCatalogue) -> None:
    shared = [element(1, "Mia"), element(2, "Mia"), element(3, "mia"), element(4, "Leo"), element(5, "Leo")]
    shared[4] = element(5, "Leo", status="deleted")
    await catalogue.put(shared, now=1.0)
    assert await catalogue.shared_names(["Mia", "Leo", "", "mia", "Mia"]) == ["Mia"]


async def test_long_names_are_compared_to_their_end(catalogue: SqliteCatalogue) -> None:
    long = "x" * 200
    written = [long, long, long + "y"]
    await catalogue.put([element(number, name) for number, name in enumerate(written)], now=1.0)
    assert await catalogue.shared_names([long, long + "y"]) == [long]
    assert [found.element_id for found in await catalogue.with_name(long + "y")] == ["3000002"]


# --- pages


async def walk(catalogue: SqliteCatalogue, text: str, limit: int) -> list[str]:
    """The ids of all pages, in order."""
    found: list[str] = []
    after: Position | None = None
    while True:
        hits = await catalogue.search(text, EVERYTHING, limit, after)
        assert len(hits.elements) <= limit
        found += [record.element_id for record in hits.elements]
        after = hits.next_position
        if after is None:
            return found


@pytest.mark.parametrize("text", ["", "mia", "mlia", "3000004", "mia mai"])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_together_are_the_whole_answer(catalogue: SqliteCatalogue, text: str, limit: int) -> None:
    written = ["Mia", "Mia", "mia", "Mia Bell", "Anna Mia", "Miami", "Tom", "MÍA"]
    await catalogue.put([element(place, name, "Mia") for place, name in enumerate(written)], now=1.0)
    everything = [found.element_id for found in (await catalogue.search(text, EVERYTHING, 50)).elements]
    assert await walk(catalogue, text, limit) == everything
    assert len(set(everything)) == len(everything) > 0


async def test_names_of_punctuation_have_pages_too(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(place, "!!!") for place in range(5)], now=1.0)
    assert len(set(await walk(catalogue, "!!!", 2))) == 5


@pytest.mark.parametrize("text", ["", "mia"])
async def test_a_walk_stays_whole_while_the_library_changes(catalogue: SqliteCatalogue, text: str) -> None:
    await catalogue.put([element(place, "Mia") for place in range(10)], now=1.0)
    first = await catalogue.search(text, EVERYTHING, 4)
    await catalogue.put([element(20, "Mia"), element(21, "Mia")], now=2.0)
    await catalogue.put([dataclasses.replace(first.elements[0], status="deleted")], now=2.0)
    rest = await catalogue.search(text, EVERYTHING, 50, first.next_position)
    seen = [found.element_id for found in [*first.elements, *rest.elements]]
    assert seen == [f"3000{place:03}" for place in range(9, -1, -1)]


async def test_elements_of_the_same_moment_all_have_their_place(catalogue: SqliteCatalogue) -> None:
    same = [element(place, f"Name {place}", created_at_ms=0) for place in range(900)]
    await catalogue.put(same[:450], now=1.0)
    await catalogue.put(same[450:], now=1.0)
    assert len(set(await walk(catalogue, "", 100))) == 900


async def test_more_of_one_millisecond_than_it_has_places_spill_over(catalogue: SqliteCatalogue) -> None:
    many = [LibraryElement(source="custom", element_id=str(place), created_at_ms=1) for place in range(4096)]
    await catalogue.put(many, now=1.0)
    late = LibraryElement(source="custom", element_id="late", created_at_ms=1)
    next_moment = LibraryElement(source="custom", element_id="next", created_at_ms=2)
    await catalogue.put([next_moment, late], now=1.0)
    assert (await catalogue.search("", EVERYTHING, 1)).total == 4098


async def test_an_empty_page_of_a_used_up_cursor_is_no_error(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=1.0)
    assert await catalogue.search("mia", EVERYTHING, 5, Position("exact", 5, 0)) == SearchPage([], 1)


# --- news


async def test_known_records_are_not_counted_as_new(catalogue: SqliteCatalogue) -> None:
    records = [element(1, "Mia"), running(2)]
    assert await catalogue.put(records, now=1.0) == 2
    assert await catalogue.put(records, now=2.0) == 0
    assert await catalogue.put([element(1, "Mia", "another text")], now=3.0) == 0
    assert await names(catalogue, "another") == ["Mia"]


async def test_a_task_becomes_its_element(catalogue: SqliteCatalogue) -> None:
    """fact: empty-while-running; what only the task's record knew goes over to the element's."""
    asked = running(1, element_name="Mia", external_task_id="mine", asked_voice_id="831")
    await catalogue.put([asked], now=1.0)
    assert await names(catalogue, "mia", Filters(statuses=("pending",))) == ["Mia"]
    assert await catalogue.put([element(1, "Mia", "now ready")], now=2.0) == 0
    (made,) = (await catalogue.search("", EVERYTHING, 50)).elements
    assert (made.status, made.external_task_id, made.asked_voice_id) == ("ready", "mine", "831")


async def test_all_elements_of_a_task_take_its_place(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([running(1, external_task_id="mine"), element(2, "Zoë")], now=1.0)
    twins = [element(1, "Mia", element_id="1"), element(1, "Tom", element_id="2")]
    assert await catalogue.put(twins, now=2.0) == 0
    assert sorted(await names(catalogue, "")) == ["Mia", "Tom", "Zoë"]
    assert {found.external_task_id for found in await catalogue.with_id("8800001")} == {"mine"}


async def test_an_older_page_does_not_bring_a_task_back(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=1.0)
    assert await catalogue.put([running(1)], now=2.0) == 0
    assert await names(catalogue, "") == ["Mia"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("pending", "ready"), ("pending", "failed"), ("ready", "deleted"), ("failed", "deleted")],
)
async def test_element_status_never_goes_back(catalogue: SqliteCatalogue, earlier: Any, later: Any) -> None:
    await catalogue.put([element(1, "Mia", status=later)], now=1.0)
    await catalogue.put([element(1, "Mia", status=earlier)], now=2.0)
    (known,) = await catalogue.with_id("3000001")
    assert known.status == later


async def test_requested_fields_stay_while_kling_is_silent(catalogue: SqliteCatalogue) -> None:
    asked = running(1, element_name="Mia", element_description="Barista", reference_type="image_refer", tags=("Item",))
    await catalogue.put([asked], now=1.0)
    await catalogue.put([running(1)], now=2.0)
    assert (await catalogue.with_id("8800001")) == [asked]


async def test_ids_may_change_without_the_words(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=1.0)
    await catalogue.put([element(1, "Mia", external_task_id="mine", image_urls=("https://example.com/1",))], now=2.0)
    (known,) = await catalogue.with_id("mine")
    assert known.image_urls == ("https://example.com/1",)
    assert await names(catalogue, "mine") == ["Mia"]


async def test_a_time_of_creation_that_becomes_known_moves_the_element(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "Tom", created_at_ms=0), element(3, "Zoë")], now=1.0)
    assert await names(catalogue, "") == ["Zoë", "Mia", "Tom"]
    await catalogue.put([element(2, "Tom")], now=2.0)
    assert await names(catalogue, "") == ["Zoë", "Tom", "Mia"]


async def test_an_element_that_changed_is_found_by_its_new_words_only(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia", "red hair 東京", tags=("Item",))], now=1.0)
    await catalogue.put([element(1, "Nora", "blue hair", tags=("Scene",), created_at_ms=5)], now=2.0)
    for gone in ("mia", "red", "東", "item"):
        assert await names(catalogue, gone) == [], gone
    assert await names(catalogue, "nora blue scene") == ["Nora"]
    assert (await catalogue.census()).tags == ("scene",)


async def test_the_newest_running_task_is_known(catalogue: SqliteCatalogue) -> None:
    assert await catalogue.newest_pending_ms() == 0
    await catalogue.put([running(1), running(3), element(9, "Mia")], now=1.0)
    assert await catalogue.newest_pending_ms() == BEGAN + 3000
