"""What clients call arguments: synonyms are taken, what clients add is left out, and nothing else is dropped."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from helpers import API_KEY, Connect, Pictures, structured, text_of
from mcp import Client

from kling_mcp.errors import InputError
from kling_mcp.server.argument_names import SYNONYMS, name_arguments
from kling_mcp.server.arguments import parse_arguments
from kling_mcp.server.tools import NAMES, load
from kling_mcp.simulator import World

CREATION = {
    "element_name": "Mia",
    "element_description": "Barista",
    "reference_type": "image_refer",
}
FRONT_AND_SIDE = {"frontal_image": "a.png", "refer_images": ["b.png"]}


def read(tool: str, /, **raw: Any) -> dict[str, Any]:
    """The arguments that were given, under the tool's own names."""
    return parse_arguments(load(tool).arguments, raw).model_dump(exclude_unset=True)


def refusal(tool: str, /, **raw: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(tool, **raw)
    return caught.value.message


@pytest.mark.parametrize(
    ("tool", "given", "meant"),
    [
        ("get_element", {"element_id": "7"}, {"id": "7"}),
        ("get_element", {"name": "Mia"}, {"id": "Mia"}),
        ("get_element", {"task_id": "880"}, {"id": "880"}),
        ("find_elements", {"search": "Mia"}, {"query": "Mia"}),
        ("find_elements", {"text": "Mia"}, {"query": "Mia"}),
        ("find_elements", {"name": "Mia", "pageSize": 3}, {"query": "Mia", "limit": 3}),
        ("find_voices", {"searchQuery": "warm", "max_results": "5"}, {"query": "warm", "limit": 5}),
        ("list_elements", {"pageNum": 2, "limit": 10}, {"page_num": 2, "page_size": 10}),
        ("wait_for_tasks", {"task_id": "880", "timeout": 3}, {"ids": ["880"], "wait_seconds": 3}),
        (
            "use_elements",
            {"element_ids": "7", "route": "omni-video"},
            {"elements": ["7"], "target": "omni-video"},
        ),
        (
            "create_voice",
            {"name": "Mia", "audio_url": "https://a", "budget": "1"},
            {"voice_name": "Mia", "voice_url": "https://a", "max_units": 1},
        ),
        ("generate_image", {"text": "x", "image_urls": ["a.png"]}, {"prompt": "x", "images": ["a.png"]}),
        ("generate_video", {"prompt": "x", "Images": "a.png"}, {"prompt": "x", "images": ["a.png"]}),
        (
            "create_element",
            {
                "name": "Mia",
                "description": "Barista",
                "type": "image_refer",
                "images": ["a.png", "b.png", "c.png"],
                "voice": "83",
                "tag": "Character",
            },
            {
                **CREATION,
                "frontal_image": "a.png",
                "refer_images": ["b.png", "c.png"],
                "element_voice_id": "83",
                "tags": ["Character"],
            },
        ),
        ("create_element", {**CREATION, "pictures": '["a.png","b.png"]'}, {**CREATION, **FRONT_AND_SIDE}),
        (
            "create_element",
            {**CREATION, "images": "b.png", "front": "a.png"},
            {**CREATION, **FRONT_AND_SIDE},
        ),
        (
            "create_element",
            {**CREATION, "images": []},
            {**CREATION, "frontal_image": "", "refer_images": []},
        ),
    ],
)
def test_synonym_is_read_as_the_argument_that_it_means(tool: str, given: dict[str, Any], meant: dict[str, Any]) -> None:
    assert read(tool, **given) == meant


@pytest.mark.parametrize(
    ("name", "spelling"), [("elementName", "camel case"), ("Element-Name", "hyphen"), ("ELEMENT_NAME", "capitals")]
)
def test_letter_case_and_separators_of_a_name_do_not_matter(name: str, spelling: str) -> None:
    assert read("delete_element", element_id="7", **{name: "Mia"})["element_name"] == "Mia", spelling


@pytest.mark.parametrize("kind", ["element", "voice"])
def test_deletion_takes_synonyms_since_its_safety_catch_is_the_exact_value(kind: str) -> None:
    assert read(f"delete_{kind}", id="7", name="Mia") == {f"{kind}_id": "7", f"{kind}_name": "Mia"}


ADDED = {
    "toolCallId": "call_1",
    "sessionId": "s",
    "chatInput": "find Mia",
    "action": "sendMessage",
    "kind": "tool",
    "reason": "the user asked",
    "rationale": "r",
    "explanation": "e",
    "confirm": True,
}


@pytest.mark.parametrize("tool", NAMES)
def test_arguments_that_clients_add_are_left_out(tool: str) -> None:
    own = tuple(load(tool).arguments.model_fields)
    names = name_arguments(
        {name: value for name, value in ADDED.items() if name not in own} | {"tool_call_id": "x"}, own
    )
    assert (names.values, names.unknown) == ({}, {})


def test_description_is_left_out_where_elements_have_none() -> None:
    assert read("find_elements", query="Mia", description="looks for Mia") == {"query": "Mia"}


def test_description_beside_its_own_name_is_a_clients_addition() -> None:
    given = read("create_element", **CREATION, **FRONT_AND_SIDE, description="calls the tool")
    assert given["element_description"] == "Barista"


@pytest.mark.parametrize("tool", NAMES)
def test_every_other_name_is_refused(tool: str) -> None:
    assert '"session_key": must be an argument of this tool; got an unknown name' in refusal(tool, session_key="x")


def test_two_values_for_one_argument_are_refused() -> None:
    told = refusal("find_elements", query="Mia", search="Rex")
    assert '"search": must be an argument of this tool; got another name of query, which is given, too' in told
    told = refusal("get_element", element_id="7", name="Mia")
    assert "another name of id" in told
    told = refusal("create_element", **CREATION, **FRONT_AND_SIDE, images=["c.png"])
    assert '"images"' in told


def test_unreadable_pictures_are_named_as_they_were_sent() -> None:
    assert "images: must be text" in refusal("create_element", **CREATION, images=[True])


@pytest.mark.parametrize("tool", NAMES)
def test_synonyms_of_one_tool_mean_one_argument_each(tool: str) -> None:
    own = load(tool).arguments.model_fields
    words = [set(SYNONYMS.get(argument, ())) - set(own) for argument in own]
    assert not any(one & other for one, other in itertools.combinations(words, 2))


@pytest.mark.parametrize("tool", NAMES)
def test_every_synonym_reaches_its_argument_in_every_tool(tool: str) -> None:
    own = tuple(load(tool).arguments.model_fields)
    for argument in own:
        for synonym in {*SYNONYMS.get(argument, ()), argument.upper()} - set(own):
            named = name_arguments({synonym: "x"}, own)
            assert (named.values, named.pictures) == ({argument: "x"}, None), synonym


def test_every_synonym_is_of_an_argument_that_exists() -> None:
    known = {argument for tool in NAMES for argument in load(tool).arguments.model_fields}
    assert set(SYNONYMS) <= known


@pytest.mark.anyio
async def test_calls_of_a_workflow_engine_work(client: Client, world: World) -> None:
    """n8n adds these to every call of a tool."""
    mia = world.add_element(world.account_of(API_KEY), "Mia").element_id
    added = {"toolCallId": "call_1", "sessionId": "s", "chatInput": "find Mia", "action": "sendMessage"}
    found = structured(await client.call_tool("find_elements", {"query": "Mia", **added}))
    assert [row["element_id"] for row in found["elements"]] == [mia]
    assert structured(await client.call_tool("check_setup", added))["ok"]


@pytest.mark.anyio
async def test_creation_in_other_words_makes_the_element(connect: Connect, pictures: Pictures) -> None:
    async with connect() as client:
        result = await client.call_tool(
            "create_element_and_wait",
            {
                "name": "Mia",
                "description": "Barista, short red hair",
                "type": "image_refer",
                "images": [str(pictures.front), str(pictures.side)],
            },
        )
    assert structured(result)["elements"][0]["element_name"] == "Mia", text_of(result)
