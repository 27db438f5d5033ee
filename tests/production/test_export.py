"""A library becomes a sheet that can be read, whatever its elements are called."""

from __future__ import annotations

import json
import string

import pytest
from helpers import API_KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library.records import element

from kling_mcp.account import Account
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.production.export import LibraryExport, export_elements, export_library
from kling_mcp.production.read_sheet import parse_sheet
from kling_mcp.production.sheet_file import MAX_SHEET_BYTES, SheetText
from kling_mcp.simulator import World
from production.studio import Studio


def ids_in(studio: Studio, export: LibraryExport) -> dict[str, str]:
    """What the exported sheet says, by name."""
    policy = MediaPolicy((studio.folder,))
    sheet = parse_sheet(SheetText(studio.folder / "library.yaml", export.sheet, ".yaml", ""), policy)
    return {entry.name: entry.element_id for entry in sheet.cast.values()}


PIP = element(
    1,
    "Pip",
    'Small robot: "round" eye #1',
    tags=("Character", "Some new tag"),
    voice_id="829836802793406551",
    voice_name="Calm\nnarrator",
)


def test_sheet_says_what_the_library_knows(studio: Studio) -> None:
    export = export_elements([PIP])
    entry = studio.read(export.sheet).cast["Pip"]
    assert (entry.element_id, entry.description) == ("3000001", 'Small robot: "round" eye #1')
    assert (entry.tags, entry.voice) == (("Character",), "829836802793406551")
    assert '    voice: "829836802793406551"  # Calm narrator\n' in export.sheet


def test_lock_and_json_name_the_same_elements(studio: Studio) -> None:
    export = export_elements([PIP, element(2, "Ada")])
    assert export.element_ids == {"Ada": "3000002", "Pip": "3000001"}
    assert {name: locked.element_id for name, locked in export.lock.cast.items()} == export.element_ids
    assert export.lock.cast["Pip"].task_id == "8800001"
    read = studio.read(export.element_ids_text(), "cast.json")
    assert {entry.name: entry.element_id for entry in read.cast.values()} == export.element_ids
    assert list(json.loads(export.element_ids_text())) == ["Ada", "Pip"]


def test_newest_of_one_name_gets_it_and_the_others_are_comments(studio: Studio) -> None:
    export = export_elements([element(1, "Pip", "Old"), element(3, "Pip", "New"), element(2, "Pip")])
    assert ids_in(studio, export) == {"Pip": "3000003"}
    assert export.doubles == ("Pip",)
    assert "  # another Pip, older: 3000002, 2026-" in export.sheet
    assert ', "Old"\n' in export.sheet


def test_elements_without_id_or_usable_name_are_left_out(studio: Studio) -> None:
    odd = [element(1, "Pip", element_id=""), element(2, ""), element(3, "x" * 101), element(4, "Bo", element_id="a b")]
    export = export_elements(odd)
    assert (export.element_ids, "cast: {}\n" in export.sheet) == ({}, True)


@pytest.mark.parametrize(("count", "description"), [(5000, ""), (2500, "机" * 200), (2500, "x")])
def test_large_library_fits_into_a_sheet(studio: Studio, count: int, description: str) -> None:
    about = {"tags": ("Character", "Hottest", "Scene"), "voice_id": "829836802793406551"}
    export = export_elements([element(number, f"Robot {number}", description, **about) for number in range(count)])
    assert len(export.sheet.encode()) < MAX_SHEET_BYTES
    assert len(ids_in(studio, export)) == count
    assert ('\n  Robot 7: "3000007"\n' in export.sheet) == (description != "x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(
        st.builds(
            element,
            st.integers(1, 999),
            st.text(max_size=20) | st.sampled_from(["on", "No", "~", "null", "Pip: a", "# x", "y", "<<", "version"]),
            st.text(max_size=150),
            tags=st.lists(st.text(string.printable, max_size=9), max_size=2).map(tuple),
            voice_id=st.text(string.digits, max_size=18),
            voice_name=st.text(max_size=20),
        ),
        max_size=6,
    )
)
def test_any_library_becomes_a_sheet_that_is_read(studio: Studio, found: list[object]) -> None:
    export = export_elements(found)  # type: ignore[arg-type]  # what `builds` makes is not typed
    if export.element_ids:
        assert ids_in(studio, export) == dict(export.element_ids)
    assert export.sheet.count("\n") == len(export.sheet.splitlines())


@pytest.mark.anyio
async def test_library_is_exported_by_words_tags_and_names(account: Account, world: World) -> None:
    own = world.account_of(API_KEY)
    for name in ("Pip", "Pip angry", "Ada"):
        world.add_element(own, name)
    every = await export_library(account.library)
    assert list(every.element_ids) == ["Ada", "Pip", "Pip angry"]
    assert every.is_complete
    assert list((await export_library(account.library, query="pip")).element_ids) == ["Pip", "Pip angry"]
    named = await export_library(account.library, names=["Ada", "Bo"])
    assert (list(named.element_ids), named.missing) == (["Ada"], ("Bo",))
    assert '# No ready element has the name "Bo".' in named.sheet
    assert (await export_library(account.library, tags=["Costume"])).element_ids == {}


@pytest.mark.anyio
async def test_library_of_many_pages_is_exported_in_full(account: Account, world: World) -> None:
    for number in range(450):
        world.add_element(world.account_of(API_KEY), f"Robot {number}")
    assert len((await export_library(account.library)).element_ids) == 450
