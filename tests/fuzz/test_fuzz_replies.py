"""Whatever Kling answers, and however it is packed, the caller gets a result or one of the contract's errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import fuzzing

from fuzz.guards import memory_below, run
from fuzz.replies import Spoil, Spoilt, bomb, drip, flood, spoils
from fuzz.served import ELEMENT, FRONT, NAME, SIDE, TASK, served
from kling_mcp.api.sender import MAX_REPLY_BYTES
from kling_mcp.simulator import World

CREATION = {
    "element_name": "Leo",
    "element_description": "Chef",
    "reference_type": "image_refer",
    "frontal_image": FRONT,
    "refer_images": [SIDE],
    "tags": ["Character"],
}
# Every tool, so that it asks Kling; most of them in two ways.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("create_element", CREATION),
    ("create_element_and_wait", CREATION),
    ("wait_for_tasks", {"ids": [TASK], "wait_seconds": 5}),
    ("wait_for_tasks", {"ids": ["kmcp-mia", TASK], "wait_seconds": 0}),
    ("wait_for_tasks", {"wait_seconds": 5}),
    ("get_element", {"id": TASK}),
    ("get_element", {"id": ELEMENT}),
    ("get_element", {"id": "kmcp-mia"}),
    ("list_elements", {}),
    ("list_preset_elements", {}),
    ("delete_element", {"element_id": ELEMENT, "element_name": NAME}),
    ("find_elements", {"query": "mia", "source": "all", "status": "any", "pictures": True}),
    ("find_elements", {}),
    ("use_elements", {"elements": [NAME], "target": "omni-video/kling-3.0-omni"}),
    ("use_elements", {"elements": [ELEMENT], "target": "omni-video/kling-v3-omni"}),
    ("find_voices", {"query": "mia"}),
    ("find_voices", {}),
    ("create_voice", {"voice_name": "Rosa", "voice_url": "https://example.com/rosa.mp3", "max_units": 1}),
    ("delete_voice", {"voice_id": "830000000000000001", "voice_name": "Rosa"}),
    ("check_balance", {}),
    ("check_setup", {}),
]
IDS = [f"{name} {number}" for number, (name, _) in enumerate(CALLS)]


def play(calls: list[tuple[str, dict[str, Any]]], spoilt_by: list[Spoil], *, for_ever: bool) -> None:
    """Make these calls while replies are spoilt."""
    made: list[Spoilt] = []

    def kling(world: World) -> Spoilt:
        made.append(Spoilt(world, list(spoilt_by), for_ever))
        return made[-1]

    async def story() -> None:
        async with served(kling) as server:
            for name, arguments in calls:
                await server.call(name, arguments, knows_what_was_created=lambda: not made[0].create_was_spoilt)

    run(story)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
@fuzzing(3)
@given(spoilt_by=st.lists(spoils, min_size=1, max_size=3), for_ever=st.booleans(), data=st.data())
def test_spoilt_replies_become_answers_of_the_contract(
    call: tuple[str, dict[str, Any]], spoilt_by: list[Spoil], for_ever: bool, data: st.DataObject
) -> None:
    then = data.draw(st.lists(st.sampled_from(CALLS), max_size=2))
    play([call, *then], spoilt_by, for_ever=for_ever)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_packed_body_that_unfolds_without_end_takes_no_room(layers: int) -> None:
    spoil = bomb(layers)
    with memory_below(3 * MAX_REPLY_BYTES):
        play([("list_elements", {})], [spoil], for_ever=True)


@pytest.mark.parametrize("spoil", [flood, drip])
@pytest.mark.parametrize("call", [("list_elements", {}), ("create_element", CREATION)], ids=["list", "create"])
def test_body_without_an_end_is_not_read_for_ever(call: tuple[str, dict[str, Any]], spoil: Spoil) -> None:
    play([call], [spoil], for_ever=False)
