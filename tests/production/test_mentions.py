"""What a person should know before paying: names that no @ marks, entries that no shot uses, speech without sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kling_mcp.production.mentions import NearNames, find_silent_speech, find_unmarked, find_unused
from kling_mcp.production.model import CastEntry, Sheet, Shot


def sheet_of(names: list[str], *prompts: str, **settings: Any) -> Sheet:
    """Shots 1, 2 and so on with these prompts."""
    shots = {
        str(number): Shot(id=str(number), prompt=prompt, **settings) for number, prompt in enumerate(prompts, start=1)
    }
    cast = {name: CastEntry(name=name) for name in names}
    return Sheet(path=Path("episode.yaml"), version=1, cast=cast, shots=shots, digest="")


def unmarked(names: list[str], *prompts: str) -> dict[str, list[str]]:
    sheet = sheet_of(names, *prompts)
    return find_unmarked(sheet, sheet.shots.values())


@pytest.mark.parametrize(
    "prompt",
    ["Mara climbs the stairs", "The hand of Mara's brother", "MARA runs", "@Ilja looks at Mara.", "(Mara) waits"],
)
def test_name_without_an_at_sign_is_found(prompt: str) -> None:
    assert unmarked(["Mara", "Ilja"], prompt) == {"Mara": ["1"]}


@pytest.mark.parametrize(
    "prompt",
    ["@Mara climbs; Mara looks down", "@{Mara} climbs", "@MARA climbs", "Maramar sings", "a mara grazes", "The stairs"],
)
def test_text_that_uses_the_element_or_does_not_name_it_is_fine(prompt: str) -> None:
    assert unmarked(["Mara"], prompt) == {}


def test_shorter_name_inside_a_longer_one_is_not_meant() -> None:
    names = ["Mara", "Mara Rossi", "Rossi"]
    assert unmarked(names, "Mara Rossi waves") == {"Mara Rossi": ["1"]}
    assert unmarked(names, "@Mara Rossi waves") == {}


def test_name_in_a_script_without_spaces_is_found() -> None:
    assert unmarked(["美雅"], "黄昏中美雅走上灯塔") == {"美雅": ["1"]}


def test_name_in_a_cut_is_found_and_element_of_the_list_counts_as_used() -> None:
    cast = {"Mara": CastEntry(name="Mara")}
    shots = {
        "a": Shot(id="a", shots=("3: Mara waves", "4: A boat")),
        "b": Shot(id="b", prompt="Mara waves", elements=("Mara",)),
    }
    sheet = Sheet(path=Path("e.yaml"), version=1, cast=cast, shots=shots, digest="")
    assert find_unmarked(sheet, shots.values()) == {"Mara": ["a"]}
    assert find_unused(sheet) == []


def test_entry_that_no_shot_uses_is_named_unless_there_are_no_shots() -> None:
    assert find_unused(sheet_of(["Mara", "Ilja"], "@Mara waves")) == ["Ilja"]
    assert find_unused(sheet_of(["Mara"])) == []


@pytest.mark.parametrize(
    "prompt",
    [
        'Mara turns: "Come up, Ilja!"',
        "Mara says: come up",
        "„Komm herauf!“, ruft Mara",
        "Mara: come up",
        "She whispers, go away",
        'He shouts "Stop"',
    ],
)
def test_speech_in_a_silent_shot_is_found(prompt: str) -> None:
    sheet = sheet_of(["Mara"], prompt)
    assert find_silent_speech(sheet, sheet.shots.values()) == ["1"]
    for settings in ({"audio": "native"}, {"model": "3.0-turbo"}):
        with_sound = sheet_of(["Mara"], prompt, **settings)
        assert find_silent_speech(with_sound, with_sound.shots.values()) == []


@pytest.mark.parametrize(
    "prompt", ['A sign "OPEN" and a sign "SHUT"', "Close-up: the stairs", "@Mara climbs, the sea answers her"]
)
def test_signs_and_camera_words_are_no_speech(prompt: str) -> None:
    sheet = sheet_of(["Mara"], prompt)
    assert find_silent_speech(sheet, sheet.shots.values()) == []


@pytest.mark.parametrize(
    ("given", "meant"),
    [("MARA", "Mara"), ("Ilia", "Ilja"), ("rossi", "Rossi Bianchi"), ("Nemo", ""), ("Bo", "")],
)
def test_unknown_name_is_answered_with_the_entry_that_was_meant(given: str, meant: str) -> None:
    assert NearNames(["Mara", "Ilja", "Rossi Bianchi"]).to([given]) == meant


def test_longer_spelling_in_capitals_means_the_whole_name() -> None:
    assert NearNames(["Mara", "Mara Rossi"]).to(["MARA ROSSI climbs", "MARA ROSSI", "MARA"]) == "Mara Rossi"
