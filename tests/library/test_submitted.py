"""What was asked for from here fills in what Kling does not show, also in the index of another process or replica."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from never_twice.crashable import Processes
from never_twice.wishes import draft_of

from kling_mcp.library.catalogue import Filters

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

OFFICIAL_VOICE = "831000000000000001"


async def test_running_task_is_found_by_the_name_it_was_submitted_under(processes: Processes, faults: Faults) -> None:
    faults.slow_task(300)
    await processes.start().create(draft_of("Mia"))
    library = processes.start().own_account().library
    answer = await library.search("mia", Filters(), 10)
    assert [(found.element_name, found.status) for found in answer.page.elements] == [("Mia", "pending")]


async def test_index_that_was_lost_is_filled_in_from_the_journal(
    processes: Processes, faults: Faults, tmp_path: Path
) -> None:
    """A replica has an index of its own: it knows what another one asked for from the journal alone."""
    faults.slow_task(300)
    first = processes.start()
    await first.create(draft_of("Mia"))
    await first.aclose()
    remove_indexes(tmp_path)
    (found,) = (await processes.start().own_account().library.search("Mia", Filters(), 10)).page.elements
    assert (found.element_name, found.reference_type) == ("Mia", "video_refer")
    assert found.element_description == "the one Mia"


def remove_indexes(folder: Path) -> None:
    """Everything in the state folder but the journal."""
    removed = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("state.sqlite3")]
    assert removed
    for file in removed:
        file.unlink()


async def test_voice_that_was_asked_for_is_known_in_another_process(processes: Processes, world: World) -> None:
    world.quirks = replace(world.quirks, bind_voices=False)
    creator = processes.start().own_account().creator
    await creator.create_and_wait(replace(draft_of("Mia"), element_voice_id=OFFICIAL_VOICE))
    found = await processes.start().own_account().library.resolve("Mia")
    assert (found.voice_id, found.asked_voice_id) == ("", OFFICIAL_VOICE)
