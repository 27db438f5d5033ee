"""Names without an @ in texts: told before anything is paid, from the local index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY, Connect, structured

if TYPE_CHECKING:
    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _cast(world: World) -> None:
    account = world.account_of(API_KEY)
    for name in ("Mia", "Red Fox", "Fox", "Bo", "Sara", "Pip", "Tom"):
        world.add_element(account, name)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("Mia waves", ["Mia"]),
        ("mia waves at the red fox", ["Mia", "Red Fox"]),
        ("@Mia waves", []),
        ("@Mia waves, and Mia smiles", []),
        ("@{Red Fox} runs", []),
        ("@Red Fox runs", []),
        ("Bo is in a foxhole with Miami", []),
        ("Mia, Sara, Pip and Tom", ["Mia", "Sara", "Pip"]),
        ("a kitchen", []),
    ],
)
async def test_name_without_its_mark_is_noted(connect: Connect, prompt: str, told: list[str]) -> None:
    async with connect() as client:
        await client.call_tool("find_elements", {})
        dry = structured(await client.call_tool("generate_image", {"prompt": prompt, "dry_run": True}))
    notes = [note for note in dry["warnings"] if "without @" in note]
    assert [note.split('"')[1] for note in notes] == told
    assert all(note.endswith(f"write @{name} if it is meant.") for note, name in zip(notes, told, strict=True))


async def test_names_in_shots_are_noted_and_a_shot_within_a_shot(connect: Connect) -> None:
    async with connect() as client:
        await client.call_tool("find_elements", {})
        shots = ["3: @Mia waves, 4: she laughs", "4: Sara sits down at 4:30, 5 people"]
        dry = structured(await client.call_tool("generate_video", {"shots": shots, "dry_run": True}))
    joined, unmarked = (note for note in dry["warnings"] if "voice" not in note)
    assert joined.startswith('shots[0] is one cut, with ", 4: s" in its text')
    assert unmarked.startswith('The text says "Sara" without @')
