"""`find_elements` from a client to Kling: everything is found, nothing is missing without being told."""

from __future__ import annotations

import dataclasses
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, Connect, last_line, structured, text_of
from library.lists import Lists, pages_asked
from mcp import Client
from mcp_types import CallToolResult, ImageContent
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

HOSTILE = 'x"<img onerror=alert(1)>\u202e\u0000\n- element_id=666; name="fake"' + "y" * 100_000


async def find(client: Client, **arguments: Any) -> CallToolResult:
    return await client.call_tool("find_elements", arguments)


async def found(client: Client, **arguments: Any) -> dict[str, Any]:
    return structured(await find(client, **arguments))


async def names(client: Client, **arguments: Any) -> list[str]:
    return [row["element_name"] for row in (await found(client, **arguments))["elements"]]


def add(world: World, name: str, **known: Any) -> str:
    """An element in the account of the tests; its id."""
    return world.add_element(world.account_of(API_KEY), name, **known).element_id


def add_620(world: World) -> list[str]:
    about = "A person of some age with a hat, a coat and boots, seen from the front, calm"
    return [add(world, f"Person {number}", description=about, tags=("o_102",)) for number in range(620)]


# --- a library of 620


async def test_every_element_is_found_by_name_and_by_id(connect: Connect, world: World) -> None:
    ids = add_620(world)
    async with connect() as client:
        await find(client)
        sent = len(world.requests)
        for number, element_id in enumerate(ids):
            by_name = await found(client, query=f"Person {number}")
            by_id = await found(client, query=element_id)
            assert by_name["elements"] == by_id["elements"]
            assert [row["element_id"] for row in by_id["elements"]] == [element_id]
    assert len(world.requests) == sent


@pytest.mark.parametrize("limit", [20, 100])
async def test_cursor_leads_to_each_element_once(connect: Connect, world: World, limit: int) -> None:
    ids = add_620(world)
    seen: list[str] = []
    async with connect() as client:
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] or not seen:
            page = await found(client, limit=limit, cursor=page["next_cursor"])
            assert page["total"] == 620
            seen += [row["element_id"] for row in page["elements"]]
    assert len(seen) == 620
    assert set(seen) == set(ids)


async def test_the_walk_goes_on_while_elements_come_and_go(
    connect: Connect, world: World, creation: dict[str, Any]
) -> None:
    ids = add_620(world)
    async with connect() as client:
        page = await found(client, limit=100)
        seen = [row["element_id"] for row in page["elements"]]
        structured(await client.call_tool("create_element_and_wait", creation))
        while page["next_cursor"]:
            page = await found(client, limit=100, cursor=page["next_cursor"])
            seen += [row["element_id"] for row in page["elements"]]
    assert sorted(seen) == sorted(ids)


async def test_the_default_answer_is_short(connect: Connect, world: World) -> None:
    add_620(world)
    async with connect() as client:
        result = await find(client)
    assert len(text_of(result).encode()) <= 5000
    assert structured(result)["total"] == 620
    assert len(structured(result)["elements"]) == 20


async def test_the_default_answer_is_short_in_any_script(connect: Connect, world: World) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "温暖的女低音配音演员的声音").voice_id
    for _ in range(30):
        add(world, "东京塔下的小红帽与猫和狐狸老师厨娘骑士", description="红" * 100, tags=("o_102",), voice_id=voice)
    async with connect() as client:
        text = text_of(await find(client))
    assert len(text.encode()) <= 5000, text
    assert text.count("\n- ") == 20


@pytest.mark.parametrize("tool", ["list_elements", "list_preset_elements", "find_elements"])
async def test_list_of_twenty_is_at_most_5_kb_of_text(connect: Connect, world: World, tool: str) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "Warm").voice_id
    about = "A person of some age with a hat, a coat and boots, seen from the front, calm and rather tall, smiling."
    for number in range(25):
        add(world, f"Isabel Unicorn {number:04}"[:20], description=about, tags=("o_102", "o_101"), voice_id=voice)
    asked = {"limit": 20} if tool == "find_elements" else {"page_size": 20}
    async with connect() as client:
        text = text_of(await client.call_tool(tool, asked))
    assert len(text.encode()) <= 5000
    assert text.count("\n- ") == 20


@pytest.mark.parametrize("failed", [1, 10, 20])
async def test_reasons_of_refused_elements_fit_into_a_list_of_5_kb(connect: Connect, world: World, failed: int) -> None:
    for number in range(20):
        status = "failed" if number < failed else "ready"
        add(world, f"Isabel Unicorn {number:04}"[:20], description="A coat, a hat. " * 6, status=status)
    for task in world.account_of(API_KEY).element_tasks:
        task.failure = "Failure to pass the risk control system, " * 8 if task.failure else ""
    async with connect() as client:
        result = await client.call_tool("list_elements", {"page_size": 20})
    assert len(text_of(result).encode()) <= 5000
    notes = structured(result)["notes"]
    assert notes[-1].startswith("Ask the person before trying again")
    assert ("get_element tells the reason of each other failed one." in notes) is (failed > 5)


async def test_failed_page_of_the_library_is_reported(settings: Settings, clock: VirtualClock, world: World) -> None:
    add_620(world)
    lists = Lists(world)
    lists.broken.add(("list", 2))
    runtime = Runtime(settings, clock=clock, make_transport=lambda: lists)
    async with Client(build_server(settings, runtime)) as client:
        result = await find(client)
        given = structured(result)
        assert (given["total"], given["complete"]) == (500, False)
        assert any("Page 2 of your list of elements" in note for note in given["notes"])
        assert "complete=false" in text_of(result)
        lists.broken.clear()
        await clock.sleep(11)
        assert (await found(client))["complete"]


# --- how many there are of what


async def test_counts_by_tag_cover_all_hits_and_not_the_page_alone(connect: Connect, world: World) -> None:
    for number in range(30):
        add(world, f"Mia {number}", tags=("o_102",) if number % 3 else ("o_102", "o_101"))
    add(world, "Mia's cat", tags=("o_103",))
    add(world, "Leo", tags=("o_102",))
    add(world, "Nothing")
    async with connect() as client:
        for arguments, counts in (
            ({"limit": 5}, {"Character": 31, "Hottest": 10, "Animal": 1}),
            ({"query": "mia", "limit": 5}, {"Character": 30, "Hottest": 10, "Animal": 1}),
            ({"query": "mia", "tags": ["Animal"]}, {"Animal": 1}),
            ({"query": "maia"}, {"Character": 30, "Hottest": 10, "Animal": 1}),
            ({"query": "zzz"}, {}),
            ({"query": "Nothing"}, {}),
        ):
            result = await find(client, **arguments)
            given = structured(result)
            assert given["by_tag"] == counts, arguments
            assert list(given["by_tag"]) == list(counts)
            assert all(f"{tag} {count}" in text_of(result) for tag, count in counts.items())
        second = await found(client, limit=5, cursor=(await found(client, limit=5))["next_cursor"])
        assert second["by_tag"]["Character"] == 31


async def test_counts_by_tag_cover_hits_by_id(connect: Connect, world: World) -> None:
    """A voice id finds what has the voice, and no word of these elements is the id."""
    voice = world.add_voice(world.account_of(API_KEY), "Warm").voice_id
    add(world, "Mia", tags=("o_102",), voice_id=voice)
    add(world, "Rex", tags=("o_103",), voice_id=voice)
    add(world, f"Fan of {voice}"[:20], description=voice, tags=("o_103",))
    async with connect() as client:
        given = await found(client, query=voice)
        assert (given["total"], given["by_tag"]) == (3, {"Animal": 2, "Character": 1})


# --- what was closest


async def test_number_that_no_name_has_is_explained(connect: Connect, world: World) -> None:
    for name in (*(f"Hero 0{number}" for number in range(10, 20)), "Hero 500"):
        add(world, name)
    async with connect() as client:
        given = await found(client, query="Hero 5")
        assert [row["element_name"] for row in given["elements"]] == ["Hero 500"]
        assert given["notes"] == ['No name has exactly the number in "Hero 5"; these have numbers that begin with it.']
        pages = await found(client, query="Hero 01", limit=4)
        rest = await found(client, query="Hero 01", limit=10, cursor=pages["next_cursor"])
        shown = [row["element_name"] for row in (*pages["elements"], *rest["elements"])]
        assert sorted(shown) == [f"Hero 0{number}" for number in range(10, 20)]


ALL_WORDS = "An element is found only if it has all of these words; search for fewer."


@pytest.mark.parametrize(
    ("query", "notes"),
    [
        ("Hero 99", ['The closest names: "Hero 019", "Hero 500" (pending).']),
        ("Zebra", []),
        ("Zebra 5", [ALL_WORDS]),
        ("Grey Zebra", [ALL_WORDS]),  # the heron is an official one
    ],
)
async def test_search_without_hits_names_what_is_close_or_that_all_words_count(
    connect: Connect, world: World, creation: dict[str, Any], query: str, notes: list[str]
) -> None:
    add(world, "Hero 019")
    add(world, "Villain 5")
    async with connect() as client:
        await client.call_tool("create_element", {**creation, "element_name": "Hero 500"})
        given = await found(client, query=query)
        assert (given["total"], given["notes"]) == (0, notes)


async def test_corrected_hits_do_not_hide_that_the_other_list_has_the_word(connect: Connect, world: World) -> None:
    add(world, "Hero 500")
    async with connect() as client:
        await found(client, source="preset")  # a search of one list does not read the other
        assert (await found(client, query="heron"))["notes"] == [
            'Nothing matches "heron" as written; these are similar.',
            "Matches with source=preset: 1.",
        ]


# --- what is asked for


async def test_a_second_search_sends_nothing(client: Client, world: World) -> None:
    add(world, "Mia")
    assert await names(client, query="mia") == ["Mia"]
    sent = len(world.requests)
    assert await names(client, query="Mia") == ["Mia"]
    assert await names(client) == ["Mia"]
    assert await names(client, query="nobody") == []
    assert len(world.requests) == sent


async def test_a_new_element_is_found_at_once(client: Client, world: World, creation: dict[str, Any]) -> None:
    assert await names(client) == []
    made = structured(await client.call_tool("create_element_and_wait", creation))
    sent = len(world.requests)
    given = await found(client, query="barista green apron")
    assert [row["element_id"] for row in given["elements"]] == made["element_ids"]
    assert len(world.requests) == sent


async def test_an_element_on_its_way_is_found_by_the_name_it_will_have(
    connect: Connect, creation: dict[str, Any], clock: VirtualClock
) -> None:
    async with connect() as client:
        task = structured(await client.call_tool("create_element", creation))
        given = await found(client, query="Mia", status="pending")
        assert [row["task_id"] for row in given["elements"]] == [task["task_id"]]
        ready = await found(client, query="Mia")
        assert (ready["total"], ready["notes"]) == (
            0,
            ["Not shown, because only ready elements were requested: 1 pending (use status=any)."],
        )
        assert (await found(client))["notes"] == ["1 still being created (status=pending)."]
        await clock.sleep(6)
        assert await names(client, query="Mia") == ["Mia"]


async def test_a_deleted_element_is_gone_at_once(connect: Connect, world: World) -> None:
    gone = add(world, "Mia")
    async with connect() as client:
        assert await names(client, query="mia") == ["Mia"]
        structured(await client.call_tool("delete_element", {"element_id": gone, "element_name": "Mia"}))
        given = await found(client, query="mia")
        assert given["elements"] == []
        assert "1 deleted" in given["notes"][0]
        assert [row["status"] for row in (await found(client, query="mia", status="deleted"))["elements"]] == [
            "deleted"
        ]


async def test_filters_narrow_the_search(connect: Connect, world: World) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "Warm").voice_id
    add(world, "Mia", tags=("o_102",), voice_id=voice)
    add(world, "Rex", tags=("o_103",))
    add(world, "Gone", status="deleted")
    add(world, "Refused", status="failed")
    async with connect() as client:
        assert sorted(await names(client)) == ["Mia", "Rex"]
        assert await names(client, tags=["Animal"]) == ["Rex"]
        assert await names(client, tags="o_103") == ["Rex"]
        assert sorted(await names(client, tags=["animal", "CHARACTER"])) == ["Mia", "Rex"]
        assert await names(client, has_voice="yes") == ["Mia"]
        assert await names(client, has_voice="no", query="") == ["Rex"]
        assert await names(client, status="deleted") == ["Gone"]
        assert (await found(client, status="failed"))["elements"][0]["status"] == "failed"
        assert (await found(client, status="any"))["total"] == 4
        assert (await found(client, source="preset"))["total"] == 54
        assert (await found(client, source="all"))["total"] == 56
        assert await names(client, source="preset", tags="animal", query="heron") == ["Grey Heron"]


async def test_an_unknown_tag_is_refused_with_the_nearest(connect: Connect) -> None:
    async with connect() as client:
        result = await find(client, tags=["Animals", "Costume"])
    assert last_line(result)["kind"] == "bad_input"
    assert "tags[0]" in text_of(result)
    assert "did you mean Animal?" in text_of(result)


async def test_a_tag_that_only_the_library_knows_can_be_asked_for(connect: Connect, world: World) -> None:
    """Kling may have tags that its page does not name."""
    world.quirks = dataclasses.replace(world.quirks, tags="ids")
    add(world, "Mia", tags=("o_999",))
    async with connect() as client:
        assert (await found(client))["elements"][0]["tags"] == ["o_999"]
        assert await names(client, tags=["O_999"]) == ["Mia"]


async def test_elements_only_in_the_official_library_are_pointed_out(connect: Connect, world: World) -> None:
    add(world, "Mia")
    async with connect() as client:
        await find(client, source="preset")
        assert (await found(client, query="heron"))["notes"] == ["Matches with source=preset: 1."]


async def test_an_empty_library_says_where_elements_may_be(client: Client) -> None:
    """fact: library-web-separate"""
    result = await find(client)
    given = structured(result)
    assert (given["total"], given["complete"]) == (0, True)
    assert "reported not to appear here" in given["notes"][0]
    assert "source=preset" in given["notes"][0]
    assert given["notes"][0] in text_of(result)


async def test_a_library_of_deleted_elements_is_not_called_empty(connect: Connect, world: World) -> None:
    add(world, "Gone", status="deleted")
    async with connect() as client:
        assert (await found(client))["notes"] == []


async def test_typing_error_in_a_query_is_forgiven_and_reported(connect: Connect, world: World) -> None:
    add(world, "Christopher")
    async with connect() as client:
        given = await found(client, query="Cristopher")
        assert [row["element_name"] for row in given["elements"]] == ["Christopher"]
        assert given["notes"] == ['Nothing matches "Cristopher" as written; these are similar.']


async def test_names_that_several_carry_are_pointed_out(connect: Connect, world: World) -> None:
    add(world, "Mia")
    add(world, "Mia")
    add(world, "Leo")
    async with connect() as client:
        result = await find(client)
    assert structured(result)["duplicate_names"] == ["Mia"]
    assert 'duplicate_names: "Mia"; use element_id to tell them apart.' in text_of(result)


async def test_any_id_is_a_query(connect: Connect, world: World) -> None:
    task = world.add_element(world.account_of(API_KEY), "Mia", external_task_id="my-own-7")
    add(world, "Leo")
    async with connect() as client:
        for any_id in (task.element_id, task.task_id, "my-own-7"):
            assert await names(client, query=any_id) == ["Mia"], any_id


# --- the cursor


async def test_a_cursor_fits_only_the_query_it_came_from(connect: Connect, world: World) -> None:
    for number in range(5):
        add(world, f"Mia {number}")
    async with connect() as client:
        cursor = (await found(client, query="mia", limit=2))["next_cursor"]
        assert len(await names(client, query="mia", limit=4, cursor=cursor)) == 3
        for other in ({"query": "leo"}, {"query": "mia", "status": "any"}, {"query": "mia", "source": "all"}, {}):
            result = await find(client, limit=2, cursor=cursor, **other)
            assert last_line(result)["kind"] == "bad_input", other


@pytest.mark.parametrize("cursor", ["nonsense", "e30", "W10", "WzEsMl0", "bnVsbA", "é", "A" * 1000, "[" * 200])
async def test_malformed_cursor_is_bad_input(connect: Connect, cursor: str) -> None:
    async with connect() as client:
        result = await find(client, cursor=cursor)
    assert last_line(result)["kind"] == "bad_input"
    assert "cursor" in text_of(result)


async def test_a_cursor_of_another_tool_is_bad_input(connect: Connect) -> None:
    async with connect() as client:
        voices = structured(await client.call_tool("find_voices", {"limit": 1}))
        result = await find(client, cursor=voices["next_cursor"])
    assert last_line(result)["kind"] == "bad_input"


async def test_a_cursor_with_a_forged_position_is_bad_input(connect: Connect, world: World) -> None:
    for number in range(3):
        add(world, f"Mia {number}")
    async with connect() as client:
        cursor = (await found(client, limit=1))["next_cursor"]
        bound, position = json.loads(urlsafe_b64decode(cursor + "=="))
        for change in ({"l": 99}, {"p": -1}, {"p": 2**70}, {"s": "z"}, {"p": "1"}, {"l": True}):
            forged = urlsafe_b64encode(json.dumps([bound, {**position, **change}]).encode()).decode()
            assert last_line(await find(client, limit=1, cursor=forged))["kind"] == "bad_input", change


# --- hostile and unlucky


async def test_hostile_texts_stay_in_their_places(connect: Connect, world: World) -> None:
    world.add_element(world.account_of(API_KEY), HOSTILE, description=HOSTILE)
    async with connect() as client:
        result = await find(client, status="any")
    text = text_of(result)
    (row,) = structured(result)["elements"]
    assert len(text) < 1500
    assert text.count("\n- ") == 1
    assert not {"\u202e", "\x00"} & set(text + row["element_name"] + row["element_description"])
    assert '"x”<img onerror' in text


async def test_search_without_a_connection_uses_the_known_library(
    connect: Connect, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Mia")
    async with connect() as client:
        await find(client)
        faults.refuse_connection(times=None)
        await clock.sleep(31)
        given = await found(client, query="mia")
    assert ([row["element_name"] for row in given["elements"]], given["complete"]) == (["Mia"], False)
    assert "could not be read just now; this is as of 2026-09-21T" in given["notes"][0]


async def test_search_without_a_connection_and_a_library_reports_the_failure(connect: Connect, faults: Faults) -> None:
    faults.refuse_connection(times=None)
    async with connect() as client:
        assert last_line(await find(client))["kind"] == "network"


async def test_two_accounts_never_mix(connect: Connect, world: World) -> None:
    add(world, "Mia")
    world.add_element(world.account_of(ACCESS_KEY), "Leo")
    async with connect() as one, connect(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as other:
        assert (await names(one), await names(other)) == (["Mia"], ["Leo"])
        assert await names(other, query="mia", status="any") == []


async def test_a_restart_keeps_the_library(connect: Connect, world: World) -> None:
    add_620(world)
    async with connect() as client:
        await find(client)
    sent = len(world.requests)
    async with connect() as client:
        assert (await found(client))["total"] == 620
    assert len(world.requests) == sent
    assert pages_asked(world) == [1, 2]


async def test_ids_of_18_digits_stay_text(connect: Connect, world: World) -> None:
    """fact: id-as-string"""
    world.quirks = dataclasses.replace(world.quirks, element_id_digits=18)
    long = add(world, "Mia")
    async with connect() as client:
        (row,) = (await found(client, query=long))["elements"]
    assert row["element_id"] == long


async def test_pictures_come_behind_the_text(connect: Connect, creation: dict[str, Any]) -> None:
    async with connect() as client:
        structured(await client.call_tool("create_element_and_wait", creation))
        without, with_pictures = await find(client), await find(client, pictures=True)
    assert [type(block) for block in with_pictures.content if isinstance(block, ImageContent)] == [ImageContent]
    assert not any(isinstance(block, ImageContent) for block in without.content)
