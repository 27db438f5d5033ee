"""`use_elements` from a client to the library: the right ids for the right target, or an error without any."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, last_line, structured, text_of

from kling_mcp.generation.targets import TARGETS

if TYPE_CHECKING:
    from helpers import Connect
    from mcp import Client
    from mcp_types import CallToolResult

    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

OMNI = "omni-video/kling-v3-omni"
OMNI_3 = "omni-video/kling-3.0-omni"


async def use(client: Client, elements: Any, target: str = OMNI) -> CallToolResult:
    return await client.call_tool("use_elements", {"elements": elements, "target": target})


def add(world: World, name: str, **known: Any) -> str:
    """An element in the account of the tests; its id."""
    return world.add_element(world.account_of(API_KEY), name, **known).element_id


def assert_refused_without_ids(result: CallToolResult, *named: str, **fields: str) -> str:
    """The text of the refusal: no structured content, and no digits of an id but those that the caller gave."""
    assert result.is_error
    assert result.structured_content is None
    assert last_line(result).items() >= {"created": "no", **fields}.items()
    text = text_of(result)
    assert [number for number in re.findall(r"\d{9,}", text) if number not in named] == []
    return text


# --- what it gives


async def test_names_and_ids_become_ids_handles_and_a_fragment_in_the_order_given(client: Client, world: World) -> None:
    mia, fox = add(world, "Mia"), add(world, "Red Fox")
    given = structured(await use(client, [fox, "Mia"]))
    assert given["element_ids"] == [fox, mia]
    assert given["prompt_handles"] == ["<<<element_1>>>", "<<<element_2>>>"]
    assert given["request_fragment"] == f'{{"element_list": [{{"element_id": {fox}}}, {{"element_id": {mia}}}]}}'
    assert any('<<<element_1>>> for "Red Fox", <<<element_2>>> for "Mia"' in each for each in given["notes"])


async def test_handle_is_read_as_its_name_unless_a_name_begins_so(client: Client, world: World) -> None:
    mia, at_mia, leo = add(world, "Mia"), add(world, "@Mia"), add(world, "Leo")
    handles = structured(await use(client, ["Leo"], "omni-video/kling-3.0-omni"))["prompt_handles"]
    assert handles == ["@Leo"]
    assert structured(await use(client, [*handles, "@Mia", "Mia"]))["element_ids"] == [leo, at_mia, mia]
    assert_refused_without_ids(await use(client, ["@"]), kind="not_found")


async def test_the_newer_standard_gets_texts_and_names(client: Client, world: World) -> None:
    mia, fox = add(world, "Mia"), add(world, "Red Fox", reference_type="video_refer")
    given = structured(await use(client, "Mia, Red Fox", OMNI_3))
    assert given["prompt_handles"] == ["@Mia", "@RedFox"]
    assert json.loads(given["request_fragment"]) == {
        "contents": [
            {"type": "element", "element_id": mia, "id": "Mia"},
            {"type": "element", "element_id": fox, "id": "RedFox"},
        ]
    }


async def test_the_text_alone_holds_everything(connect: Connect, world: World) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        result = await use(client, ["Mia"])
    given = structured(result)
    text = text_of(result)
    assert f'- <<<element_1>>> element_id={mia} "Mia"' in text
    assert 'into the body of POST /v1/videos/omni-video with "model_name": "kling-v3-omni":' in text
    assert f"\n{given['request_fragment']}\n" in text
    assert all(f"Note: {note}" in text for note in given["notes"])
    assert given["warnings"] == []
    assert "Warning:" not in text


async def test_id_of_18_digits_keeps_every_digit(connect: Connect, world: World) -> None:
    world.quirks = dataclasses.replace(world.quirks, element_id_digits=18)
    long = add(world, "Mia")
    async with connect() as client:
        older, newer = structured(await use(client, ["Mia"])), structured(await use(client, [long], OMNI_3))
    assert len(long) == 18
    assert older["element_ids"] == newer["element_ids"] == [long]
    assert older["request_fragment"] == f'{{"element_list": [{{"element_id": {long}}}]}}'
    assert f'"element_id": "{long}"' in newer["request_fragment"]


async def test_once_the_library_is_read_an_answer_sends_nothing(connect: Connect, world: World) -> None:
    add(world, "Mia")
    async with connect() as client:
        structured(await use(client, ["Mia"]))
        sent = len(world.requests)
        for target in TARGETS:
            structured(await use(client, ["Mia"], target))
    assert len(world.requests) == sent


async def test_an_official_element_can_be_used_by_its_name(connect: Connect) -> None:
    async with connect() as client:
        given = structured(await use(client, "Corner Baker", "omni-image/kling-v3-omni"))
    assert len(given["element_ids"]) == 1


async def test_a_bound_voice_comes_with_the_setting_that_makes_it_heard(connect: Connect, world: World) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "Warm").voice_id
    add(world, "Mia", voice_id=voice)
    async with connect() as client:
        warnings = structured(await use(client, ["Mia"], "image-to-video/kling-3.0"))["warnings"]
    assert any('The voice of "Mia" is heard only with "audio": "native"' in warning for warning in warnings)


async def test_a_key_pair_is_warned_of_the_routes_that_refuse_it(connect: Connect, world: World) -> None:
    world.add_element(world.account_of(ACCESS_KEY), "Mia")
    async with connect(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as client:
        newer, older = structured(await use(client, ["Mia"], OMNI_3)), structured(await use(client, ["Mia"]))
    assert any("needs an API key" in warning for warning in newer["warnings"])
    assert not any("API key" in warning for warning in older["warnings"])


# --- what it refuses


async def test_a_missing_name_is_answered_with_near_names_and_no_substitute(client: Client, world: World) -> None:
    add(world, "Mia Rossi")
    text = assert_refused_without_ids(await use(client, ["Mia Rosi"]), kind="not_found", retry="never")
    assert 'must be the exact name or the id of an element; got "Mia Rosi", which matches no element' in text
    assert 'similar names: "Mia Rossi"; use one only if you mean it' in text


async def test_a_name_in_another_case_is_no_exact_name(connect: Connect, world: World) -> None:
    add(world, "Mia")
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["mia"]), kind="not_found")
    assert '"Mia"' in text


async def test_two_elements_of_one_name_must_be_named_by_id(connect: Connect, world: World) -> None:
    first, second = add(world, "Mia", description="Barista"), add(world, "Mia", description="Pilot")
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia"]), first, second, kind="ambiguous_name")
        assert 'got "Mia", which matches 2 elements: (element_id=' in text
        assert all(f"(element_id={each}, ready, created 20" in text for each in (first, second))
        assert '"Barista")' in text
        assert '"Pilot")' in text
        assert "give the element_id of the one you mean; if you cannot tell, ask the person" in text
        given = structured(await use(client, [second, first], OMNI_3))
    assert given["element_ids"] == [second, first]
    assert given["prompt_handles"] == ["@Mia_1", "@Mia_2"]


async def test_a_deleted_element_is_refused_by_name_and_by_id(connect: Connect, world: World) -> None:
    gone = add(world, "Mia", status="deleted")
    async with connect() as client:
        by_id = assert_refused_without_ids(await use(client, [gone]), gone, kind="bad_input", retry="never")
        by_name = assert_refused_without_ids(await use(client, ["Mia"]), kind="bad_input")
    assert f'"{gone}", which was deleted' in by_id
    assert '"Mia", which was deleted' in by_name


async def test_an_element_deleted_through_this_server_is_refused_at_once(connect: Connect, world: World) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        structured(await use(client, ["Mia"]))
        structured(await client.call_tool("delete_element", {"element_id": mia, "element_name": "Mia"}))
        assert_refused_without_ids(await use(client, [mia]), mia, kind="bad_input")


async def test_an_unfinished_element_is_refused_until_it_is_ready(connect: Connect, creation: dict[str, Any]) -> None:
    async with connect() as client:
        task_id = structured(await client.call_tool("create_element", creation))["task_id"]
        early = assert_refused_without_ids(await use(client, [task_id]), task_id, kind="bad_input", retry="later")
        assert "is not ready yet" in early
        assert "wait_for_tasks" in early
        done = structured(await client.call_tool("wait_for_tasks", {"ids": [task_id]}))
        given = structured(await use(client, ["Mia"]))
    assert given["element_ids"] == done["tasks"][0]["element_ids"]


async def test_an_element_that_was_never_made_is_refused(connect: Connect, world: World) -> None:
    task = world.add_element(world.account_of(API_KEY), "Mia", status="failed")
    async with connect() as client:
        told = assert_refused_without_ids(await use(client, [task.task_id]), task.task_id, kind="bad_input")
    assert "was never created, because Kling refused its inputs" in told


async def test_the_id_of_a_task_is_no_id_of_its_element(connect: Connect, world: World) -> None:
    # Somebody's own task id is somebody else's name: which of the two is meant cannot be known.
    world.add_element(world.account_of(API_KEY), "Rex", external_task_id="Mia")
    add(world, "Mia")
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia"]), kind="bad_input")
    assert (
        'got "Mia", an id of the task that made "Rex". Fix: if you mean that element, give "Rex" or its element_id'
        in text
    )


async def test_element_unseen_in_an_incomplete_library_is_not_called_missing(
    connect: Connect, world: World, faults: Faults
) -> None:
    mia = add(world, "Mia")
    faults.reply_code(5000, times=None, route="presets")
    async with connect() as client:
        missing = assert_refused_without_ids(await use(client, ["Corner Baker"]), kind="not_found")
        by_name, by_id = structured(await use(client, ["Mia"])), structured(await use(client, [mia]))
    assert "could not be read in full: what is missing may still exist" in missing
    assert any("another element may have one of these names" in warning for warning in by_name["warnings"])
    assert not any("could not be read in full" in warning for warning in by_id["warnings"])


async def test_problems_of_a_list_of_elements_are_reported_at_once(client: Client, world: World) -> None:
    add(world, "Mia")
    add(world, "Host", reference_type="video_refer")
    twins = add(world, "Twin"), add(world, "Twin")
    gone = add(world, "Ghost", status="deleted")
    named = ["Mia", "Host", "Twin", gone, "Nobody", "Mia"]
    text = assert_refused_without_ids(
        await use(client, named, "omni-image/kling-v3-omni"), gone, *twins, kind="bad_input"
    )
    assert "5 problems with the input" in text
    assert re.findall(r"- (elements\[\d\]: .*?);", text) == [
        "elements[1]: must be an image element for omni-image/kling-v3-omni",
        "elements[2]: must mean one element",
        "elements[3]: must be ready for use",
        "elements[4]: must be the exact name or the id of an element",
        "elements[5]: must not name an element again",
    ]


async def test_element_given_by_name_and_by_id_is_a_duplicate(connect: Connect, world: World) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia", mia]), mia, kind="bad_input")
    assert '", which is elements[0] already' in text


async def test_an_empty_list_is_refused(connect: Connect) -> None:
    async with connect() as client:
        assert "at least one element" in assert_refused_without_ids(await use(client, []), kind="bad_input")


async def test_a_list_that_no_case_allows_is_refused_without_a_request(connect: Connect, world: World) -> None:
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, list("abcdefgh"), OMNI), kind="bad_input")
    assert "must hold at most 7 elements in one request to omni-video/kling-v3-omni; got 8" in text
    assert world.requests == []


async def test_an_unknown_target_is_answered_with_all_targets_and_the_nearest(connect: Connect) -> None:
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia"], "omni-video/kling-3.0omni"), kind="bad_input")
    assert all(target in text for target in TARGETS)
    assert "did you mean omni-video/kling-3.0-omni?" in text


@pytest.mark.parametrize(
    ("route", "newest"),
    [
        ("omni-video", "omni-video/kling-3.0-omni"),
        (" Omni-Video ", "omni-video/kling-3.0-omni"),
        ("image2video", "image2video/kling-v3"),
        ("omni-image", "omni-image/kling-v3-omni"),
        ("images/generations", "images/generations/kling-v3"),
        ("image-to-video", "image-to-video/kling-3.0"),
        ("motion-control", "motion-control/kling-3.0"),
    ],
)
async def test_a_route_alone_means_its_newest_model(connect: Connect, world: World, route: str, newest: str) -> None:
    add(world, "Mia")
    async with connect() as client:
        result = await use(client, ["Mia"], route)
        named = structured(await use(client, ["Mia"], newest))
    told = f"target={route.strip().lower()} was read as {newest}, the newest model of this route."
    assert structured(result) == {**named, "notes": [told, *named["notes"]]}
    assert f"For {newest}, in this order:" in text_of(result)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("kling-3.0-omni", "omni-video/kling-3.0-omni"),
        ("kling-v3-omni", "omni-video/kling-v3-omni"),
        ("omni-video/kling-o2", "omni-video/kling-o1"),
        ("3.0 omni", "omni-video/kling-3.0-omni"),
        ("text-to-video/kling-3.0", "omni-video"),
        ("text2video", "omni-video"),
        ("motioncontrol", "motion-control"),
        ("omni", "omni-video"),
    ],
)
async def test_a_wrong_target_is_answered_with_the_likely_one(connect: Connect, given: str, meant: str) -> None:
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia"], given), kind="bad_input")
    assert f"Fix: did you mean {meant}?" in text
    assert "leave it out" not in text


async def test_a_target_like_no_other_is_answered_with_all_of_them(connect: Connect) -> None:
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, ["Mia"], "xyz"), kind="bad_input")
    assert all(target in text for target in TARGETS)
    assert "Fix: send one of them" in text
    assert "leave it out" not in text


async def test_a_first_frame_is_asked_for_where_kling_needs_one(connect: Connect, world: World) -> None:
    """fact: gen30-first-frame-required"""
    add(world, "Mia")
    async with connect() as client:
        result = await use(client, ["Mia"], "image-to-video/kling-3.0")
    assert "Note: A first frame is required" in text_of(result)


async def test_fragment_with_a_long_id_is_to_be_pasted_as_text(connect: Connect, world: World) -> None:
    world.quirks = dataclasses.replace(world.quirks, element_id_digits=18)
    add(world, "Mia")
    add(world, "Rex")
    async with connect() as client:
        given = structured(await use(client, ["Mia", "Rex"]))
    (warning,) = given["warnings"]
    assert warning.startswith("Paste the fragment as text and do not re-serialise it: ")


@pytest.mark.parametrize("given", ["8.81199455830155E+17", "160.0"])
async def test_id_that_a_spreadsheet_has_rounded_is_called_so(connect: Connect, given: str) -> None:
    async with connect() as client:
        text = assert_refused_without_ids(await use(client, [given]), "81199455830155", kind="not_found")
    assert f'got "{given}", which looks like an id that was rounded on the way' in text


async def test_use_elements_without_credentials_says_what_to_set(connect: Connect) -> None:
    async with connect(api_key="") as client:
        result = await use(client, ["Mia"])
    assert last_line(result)["kind"] == "missing_credentials"
