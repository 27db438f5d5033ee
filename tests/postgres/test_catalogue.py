"""The catalogue of the library: on PostgreSQL as in a file."""

from __future__ import annotations

import pytest
from virtual_time import VirtualClock

from kling_mcp.library.catalogue import Catalogue, Counts, Filters, SyncProgress
from postgres.conftest import Database
from postgres.places import Place, PostgresPlace
from postgres.records import element, names, task

pytestmark = pytest.mark.anyio

ALL = Filters()
ACCOUNT = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def catalogue(place: Place) -> Catalogue:
    return place.catalogue(ACCOUNT)


async def test_elements_read_by_one_replica_are_found_by_another(place: Place) -> None:
    one, other = place.catalogue(ACCOUNT), place.catalogue(ACCOUNT)
    assert await one.put([element(1, "Mia"), element(2, "Tom")], now=5.0) == 2
    assert await other.put([element(2, "Tom"), element(3, "Zoë")], now=6.0) == 1
    hits = await one.search("", ALL, 10)
    assert (names(hits), hits.total) == (["Zoë", "Tom", "Mia"], 3)
    assert hits.elements[0] == element(3, "Zoë")


async def test_accounts_have_shelves_of_their_own(place: Place) -> None:
    mine, theirs = place.catalogue(ACCOUNT), place.catalogue("f" * 32)
    await mine.put([element(1, "Mia", description="red hair")], now=5.0)
    for text in ("", "Mia", "red", "1001", "mai"):
        assert (await theirs.search(text, ALL, 10)).total == 0
    assert await theirs.near("Mia", 5) == []
    assert await theirs.with_id("1001") == []
    assert await theirs.with_name("Mia") == []
    assert await theirs.census() == Counts()
    await theirs.put([element(1, "Tom")], now=5.0)
    assert [found.element_name for found in await mine.with_id("1001")] == ["Mia"]


async def test_the_best_come_first_and_then_the_newest(catalogue: Catalogue) -> None:
    await catalogue.put(
        [
            element(1, "Mia"),
            element(2, "MÍA!"),
            element(3, "mia at sea"),
            element(4, "Captain Mia"),
            element(5, "Tom", description="a friend of Mia"),
            element(6, "Mia"),
            element(7, "Ann", voice_id="Mia"),
            element(8, "Damian"),
        ],
        now=5.0,
    )
    hits = await catalogue.search("Mia", ALL, 10)
    assert names(hits) == ["Ann", "Mia", "Mia", "MÍA!", "mia at sea", "Captain Mia", "Tom"]
    assert (hits.total, hits.next_position, hits.spelling) == (7, None, "exact")


async def test_pages_join_without_gaps_while_the_library_grows(catalogue: Catalogue) -> None:
    await catalogue.put([element(number, f"fox {number}") for number in range(1, 8)], now=5.0)
    seen: list[str] = []
    following = None
    for late in (101, 102, 103):
        hits = await catalogue.search("fox", ALL, 3, following)
        seen += names(hits)
        following = hits.next_position
        await catalogue.put([element(late, f"fox {late}")], now=6.0)
    assert seen == [f"fox {number}" for number in (7, 6, 5, 4, 3, 2, 1)]
    assert following is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("strasse", ["Straße 7"]),
        ("ｆｏｘ", ["red fox"]),
        ("fo", ["red fox"]),
        ("red fox", ["red fox"]),
        ("7", ["Straße 7"]),
        ("色女", ["红色女孩"]),
        ("女", ["红色女孩"]),
        ("👩‍🎤", ["star 👩‍🎤"]),
        ("ox", []),
        ("!!!", ["!!!"]),
        ("'; DROP TABLE library_elements; --", []),
        ("fox & !red | 'x':*", []),
    ],
)
async def test_words_are_found_in_every_script(catalogue: Catalogue, text: str, found: list[str]) -> None:
    given = ["red fox", "Straße 7", "红色女孩", "star 👩‍🎤", "!!!"]
    await catalogue.put([element(number, name) for number, name in enumerate(given, start=1)], now=5.0)
    hits = await catalogue.search(text, ALL, 10)
    assert names(hits) == found
    assert await catalogue.counts(text, [ALL, Filters(statuses=("deleted",))]) == [len(found), 0]


async def test_typing_errors_are_forgiven_only_where_nothing_matches(catalogue: Catalogue) -> None:
    await catalogue.put([element(1, "Barista Mia"), element(2, "Baritone"), element(3, "clip 8")], now=5.0)
    hits = await catalogue.search("barsita", ALL, 10)
    assert (names(hits), hits.spelling) == (["Barista Mia"], "corrected")
    assert names(await catalogue.search("clip 7", ALL, 10)) == []
    assert [found.element_name for found in await catalogue.near("bariste tom", 5)] == ["Barista Mia"]
    assert await catalogue.near("xyz", 5) == []


async def test_filters_leave_out_what_is_not_wanted(catalogue: Catalogue) -> None:
    await catalogue.put(
        [
            element(1, "Mia", tags=("Character",)),
            element(2, "Mia", voice_id="v1", tags=("Animal", "Görl")),
            element(3, "Mia", source="preset"),
            element(4, "Mia", status="deleted"),
        ],
        now=5.0,
    )

    async def ids(**filters: object) -> list[str]:
        hits = await catalogue.search("mia", Filters(**filters), 10)  # type: ignore[arg-type] # by name
        everything = await catalogue.search("", Filters(**filters), 10)  # type: ignore[arg-type] # by name
        assert {one.element_id for one in everything.elements} == {one.element_id for one in hits.elements}
        assert everything.total == hits.total == len(hits.elements)
        return [one.element_id for one in hits.elements]

    assert await ids(tags=("gorl", "nothing")) == ["1002"]
    assert await ids(has_voice="yes") == ["1002"]
    assert await ids(has_voice="no", sources=("custom",)) == ["1004", "1001"]
    assert await ids(sources=("preset",)) == ["1003"]
    assert await ids(statuses=("ready", "deleted"), sources=("custom",)) == ["1004", "1002", "1001"]
    census = await catalogue.census()
    assert census.counts == {("custom", "ready"): 2, ("custom", "deleted"): 1, ("preset", "ready"): 1}
    assert census.tags == ("animal", "character", "gorl")


async def test_a_task_gives_way_to_its_element(catalogue: Catalogue) -> None:
    assert await catalogue.put([task(1, external_task_id="kmcp-mia")], now=5.0) == 1
    assert await catalogue.newest_pending_ms() == 1_000
    assert await catalogue.put([element(1, "Mia")], now=6.0) == 0
    [found] = (await catalogue.search("", ALL, 10)).elements
    assert (found.element_name, found.external_task_id, found.status) == ("Mia", "kmcp-mia", "ready")
    assert await catalogue.put([task(1)], now=7.0) == 0  # an older page of the list
    assert await catalogue.newest_pending_ms() == 0
    for any_id in ("1001", "t1", "kmcp-mia"):
        assert [one.element_name for one in await catalogue.with_id(any_id)] == ["Mia"]


async def test_a_new_name_is_found_and_the_old_one_is_not(catalogue: Catalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "Tom")], now=5.0)
    await catalogue.put([element(1, "Anna"), element(2, "Tom", description="new", status="deleted")], now=6.0)
    await catalogue.put([element(2, "Tom", description="old")], now=7.0)  # no record goes back to an earlier status
    assert names(await catalogue.search("mia", ALL, 10)) == []
    assert names(await catalogue.search("anna", ALL, 10)) == ["Anna"]
    [tom] = await catalogue.with_name("Tom")
    assert (tom.status, tom.element_description) == ("deleted", "new")


async def test_a_moment_that_becomes_known_moves_the_record(catalogue: Catalogue) -> None:
    await catalogue.put([element(1, "Mia"), element(2, "Tom", created_at_ms=0), element(3, "Zoë")], now=5.0)
    assert names(await catalogue.search("", ALL, 10)) == ["Zoë", "Mia", "Tom"]
    await catalogue.put([element(2, "Tom")], now=6.0)
    assert names(await catalogue.search("", ALL, 10)) == ["Zoë", "Tom", "Mia"]
    assert (await catalogue.search("tom", ALL, 10)).total == 1


async def test_elements_of_a_task_all_take_its_place(catalogue: Catalogue) -> None:
    await catalogue.put([task(1, external_task_id="kmcp-twins"), element(2, "Zoë")], now=5.0)
    twins = [element(1, "Mia", element_id="1"), element(1, "Tom", element_id="2")]
    assert await catalogue.put(twins, now=6.0) == 0
    hits = await catalogue.search("", ALL, 10)
    assert (sorted(names(hits)[1:]), hits.total) == (["Mia", "Tom"], 3)
    assert {found.external_task_id for found in await catalogue.with_id("t1")} == {"kmcp-twins"}


async def test_element_names_are_distinguished_exactly(catalogue: Catalogue) -> None:
    long = "x" * 200
    given = ["Mia", "mia", "Mia", "", long, long, long + "y"]
    await catalogue.put([element(number, name) for number, name in enumerate(given, start=1)], now=5.0)
    await catalogue.put([element(9, long + "y", status="deleted")], now=5.0)
    assert [found.element_id for found in await catalogue.with_name("Mia")] == ["1003", "1001"]
    assert await catalogue.shared_names(["mia", "Mia", "", long, long + "y", "Tom"]) == ["Mia", long]


async def test_elements_of_one_name_are_shown_up_to_fifty(catalogue: Catalogue) -> None:
    await catalogue.put([element(number, "Mia") for number in range(1, 61)], now=5.0)
    found = await catalogue.with_name("Mia")
    assert [one.element_id for one in found] == [str(1000 + number) for number in range(60, 10, -1)]


async def test_more_than_a_millisecond_can_hold_keep_their_order(catalogue: Catalogue) -> None:
    """Kling gives many presets no time at all."""
    many = [element(number, f"preset {number}", created_at_ms=0) for number in range(1, 4201)]
    await catalogue.put(many[:4090], now=5.0)
    await catalogue.put(many[4090:], now=5.0)
    hits = await catalogue.search("", ALL, 3)
    assert (names(hits), hits.total) == (["preset 4200", "preset 4199", "preset 4198"], 4200)


async def test_account_unused_for_a_month_is_removed(database: Database, clock: VirtualClock) -> None:
    """Accounts come and go on a shared server."""
    place = PostgresPlace(database.url, clock)
    mine, gone = place.catalogue(ACCOUNT), place.catalogue("f" * 32)
    for catalogue in (mine, gone):
        await catalogue.put([element(1, "Mia Barista")], now=5.0)
    await clock.sleep(20 * 86_400)
    await mine.begin_walk("custom", SyncProgress(began_at=10.0))
    assert (await gone.search("", ALL, 10)).total == 1
    await clock.sleep(20 * 86_400)
    await mine.begin_walk("custom", SyncProgress(began_at=20.0))
    assert (await gone.search("", ALL, 10)).total == 0
    assert (await mine.search("", ALL, 10)).total == 1
    assert database.say("SELECT count(*) FROM kling_mcp.library_words") == [(2,)]
    assert await gone.put([element(1, "Mia")], now=6.0) == 1  # somebody came back
    place.close()


async def test_words_that_another_version_cut_are_not_read(database: Database, clock: VirtualClock) -> None:
    place = PostgresPlace(database.url, clock)
    catalogue = place.catalogue(ACCOUNT)
    await catalogue.put([element(1, "Mia")], now=5.0)
    database.say("UPDATE kling_mcp.library_shelves SET edition = 'another'")
    assert (await catalogue.search("", ALL, 10)).total == 0
    assert await catalogue.put([element(1, "Mia")], now=6.0) == 1
    place.close()


async def test_progress_of_a_newer_version_is_read_as_far_as_it_is_known(
    database: Database, clock: VirtualClock
) -> None:
    place = PostgresPlace(database.url, clock)
    catalogue = place.catalogue(ACCOUNT)
    await catalogue.keep_progress("custom", SyncProgress(began_at=3.0, failed_pages=(2,)))
    database.say("UPDATE kling_mcp.library_progress SET state = replace(state, '{', '{\"news\": 1, ')")
    assert await catalogue.progress("custom") == SyncProgress(began_at=3.0, failed_pages=(2,))
    place.close()


class TestWalks:
    async def test_progress_is_kept_for_all_replicas(self, place: Place) -> None:
        one, other = place.catalogue(ACCOUNT), place.catalogue(ACCOUNT)
        assert await one.progress("custom") == SyncProgress()
        state = SyncProgress(began_at=3.0, next_page=4, failed_pages=(1, 3), is_cut=True, unreadable=2)
        await one.keep_progress("custom", state)
        assert await other.progress("custom") == state
        assert await other.progress("preset") == SyncProgress()

    async def test_element_unseen_by_two_whole_walks_is_dropped(self, catalogue: Catalogue) -> None:
        await walk(catalogue, 10.0, 1, 2)
        await walk(catalogue, 20.0, 1)
        assert names(await catalogue.search("", ALL, 10)) == ["element 2", "element 1"]
        await walk(catalogue, 30.0, 1)
        assert names(await catalogue.search("", ALL, 10)) == ["element 1"]
        assert (await catalogue.search("", ALL, 10)).total == 1

    async def test_element_seen_between_walks_is_kept(self, catalogue: Catalogue) -> None:
        await walk(catalogue, 10.0, 1, 2)
        await walk(catalogue, 20.0, 1)
        await catalogue.put([element(2, "element 2")], now=25.0)  # a look at the task, apart from any walk
        await walk(catalogue, 30.0, 1)
        assert (await catalogue.search("", ALL, 10)).total == 2

    async def test_element_made_during_a_walk_need_not_be_on_its_pages(self, catalogue: Catalogue) -> None:
        await walk(catalogue, 10.0, 1)
        for began in (20.0, 30.0):
            await catalogue.begin_walk("custom", SyncProgress(began_at=began))
            await catalogue.put([element(2, f"element {began}")], now=began + 1)
            await catalogue.put([element(1, "element 1")], now=began + 2, walk=began)
            await catalogue.end_walk("custom", SyncProgress(began_at=began), walk=began)
        assert (await catalogue.search("", ALL, 10)).total == 2

    async def test_a_walk_that_another_replica_overtook_drops_nothing(self, place: Place) -> None:
        slow, quick = place.catalogue(ACCOUNT), place.catalogue(ACCOUNT)
        await walk(slow, 10.0, 1, 2)
        await walk(slow, 20.0, 1)
        await slow.begin_walk("custom", SyncProgress(began_at=30.0))
        await quick.begin_walk("custom", SyncProgress(began_at=31.0, next_page=1))
        await slow.put([element(1, "element 1")], now=32.0, walk=30.0)
        await slow.end_walk("custom", SyncProgress(began_at=30.0, completed_at=30.0), walk=30.0)
        assert await quick.progress("custom") == SyncProgress(began_at=31.0, next_page=1)
        assert (await quick.search("", ALL, 10)).total == 2
        # What the slow one saw does not count for the quick one's walk.
        await quick.put([element(2, "element 2")], now=33.0, walk=31.0)
        await quick.end_walk("custom", SyncProgress(began_at=31.0, completed_at=31.0), walk=31.0)
        await walk(quick, 40.0, 2)
        assert names(await quick.search("", ALL, 10)) == ["element 2"]

    async def test_lists_are_walked_apart(self, catalogue: Catalogue) -> None:
        await catalogue.put([element(9, "official", source="preset")], now=5.0)
        for began in (10.0, 20.0, 30.0):
            await walk(catalogue, began, 1)
        assert names(await catalogue.search("", ALL, 10)) == ["official", "element 1"]


async def walk(catalogue: Catalogue, began: float, *numbers: int) -> None:
    """A walk that sees these elements of the account's own."""
    await catalogue.begin_walk("custom", SyncProgress(began_at=began, next_page=1))
    records = [element(number, f"element {number}") for number in numbers]
    await catalogue.put(records, now=began + 1, walk=began)
    await catalogue.end_walk("custom", SyncProgress(began_at=began, completed_at=began), walk=began)
