"""Somebody who has never seen a sheet learns its form from the answers alone."""

from __future__ import annotations

import re

import pytest
import yaml

from kling_mcp.errors import InputError
from kling_mcp.production.example import EXAMPLE, full_form, short_form
from kling_mcp.production.keys import CAST_KEYS, SHOT_KEYS
from kling_mcp.production.read_sheet import read_sheet
from production.studio import PIP, Studio


def refusal(studio: Studio, text: str | bytes, name: str = "episode.yaml") -> str:
    with pytest.raises(InputError) as caught:
        studio.read(text, name)
    return caught.value.for_caller()


def fixes(studio: Studio, text: str) -> dict[str, str]:
    return {problem.argument: problem.fix for problem in studio.problems(text)}


def test_example_is_a_sheet_without_problems(studio: Studio) -> None:
    for name in ("front", "side"):
        (studio.folder / f"mia-{name}.jpg").write_bytes((studio.folder / f"pictures/pip-{name}.jpg").read_bytes())
    sheet = studio.read(EXAMPLE)
    assert (list(sheet.cast), list(sheet.shots)) == (["Mia", "Pip"], ["s01", "s02"])
    assert yaml.safe_load(EXAMPLE)["shots"]["s02"]["takes"] == 2


def test_every_key_is_named_in_both_forms() -> None:
    for key in (*CAST_KEYS, *SHOT_KEYS):
        assert re.search(rf"\b{key.name}\b", short_form())
        assert key.help.replace("`", "") in full_form()
    assert len(short_form()) < 1_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "cast: {}\n",
        "cast:\n\tMia: x\n",
        "- a\n- b\n",
        "characters: {}\n",
        "shots: [a]\n",
        b"\xff\xfe",
    ],
)
def test_sheet_of_another_form_is_answered_with_an_example_and_all_keys(studio: Studio, text: str | bytes) -> None:
    assert short_form() in refusal(studio, text)


def test_missing_sheet_is_answered_with_an_example(studio: Studio) -> None:
    with pytest.raises(InputError) as caught:
        read_sheet(str(studio.folder / "nothing.yaml"), studio.policy)
    assert short_form() in caught.value.for_caller()


def test_mistake_in_one_value_is_answered_without_the_example(studio: Studio) -> None:
    assert "Keys of a shot" not in refusal(studio, "shots: {s01: {prompt: A boat, duration: 99}}\n")


@pytest.mark.parametrize(
    ("text", "argument", "fix"),
    [
        ("version: 1\naspect_ratio: '9:16'\n", "aspect_ratio", "put it under defaults.shots."),
        ("version: 1\nratio: '9:16'\n", "ratio", "put it under defaults.shots, as aspect_ratio."),
        ("version: 1\ntags: [Character]\n", "tags", "put it under defaults."),
        ("version: 1\ndescription: A story\n", "description", "put it under the cast entry that it is for."),
        ("version: 1\nprompt: A boat\n", "prompt", "put it under the shot that it is for."),
        ("defaults: {aspect_ratio: '9:16'}\n", "defaults.aspect_ratio", "put it under defaults.shots."),
        ("defaults: {shots: {tags: [Scene]}}\n", "defaults.shots.tags", "put it under defaults."),
        ("cast: {Mia: {prompt: x}}\n", "cast.Mia.prompt", "put it under the shot that it is for."),
        ("shots: {s: {prompt: x, front: y}}\n", "shots.s.front", "put it under the cast entry that it is for."),
        ("shots: {s: {prompt: x, lenght: 8}}\n", "shots.s.lenght", "did you mean duration?"),
        ("version: 1\ntitel: x\n", "titel", "leave it out."),
    ],
)
def test_key_at_another_level_is_answered_with_its_place(studio: Studio, text: str, argument: str, fix: str) -> None:
    assert fixes(studio, text)[argument] == fix


def test_list_in_place_of_a_map_is_answered_with_the_form(studio: Studio) -> None:
    said = fixes(studio, "cast: [Mara]\nshots: [{prompt: x}]\n")
    assert said["cast"] == "write a key for each name, such as Mia: {description: …, front: …, others: […]}."
    assert said["shots"] == "write a key for each shot, such as s01: {prompt: …}."
    assert fixes(studio, "shots: {s01: [x]}\n")["shots.s01"] == "write it as {prompt: …, duration: …}."


def test_mistakes_below_a_misspelled_section_are_found_by_the_same_call(studio: Studio) -> None:
    text = "characters:\n  Mara:\n    look: grey\nscenes:\n  s01:\n    promt: A boat\n"
    assert [place[1] for place in studio.places(text)] == ["characters", "cast.Mara.look", "scenes", "shots.s01.promt"]


def test_text_in_place_of_a_shot_is_its_prompt(studio: Studio) -> None:
    shot = studio.read(f"cast:{PIP}shots:\n  1: '@Pip climbs'\n").shots["1"]
    assert (shot.prompt, shot.takes) == ("@Pip climbs", 1)


def test_first_of_all_pictures_is_from_the_front(studio: Studio) -> None:
    pictures = "[pictures/pip-front.jpg, pictures/pip-side.jpg, pictures/harbour.jpg]"
    pip = studio.read(f"cast: {{Pip: {{description: Robot, pictures: {pictures}}}}}\n").cast["Pip"]
    assert pip.front is not None
    assert pip.front.given == "pictures/pip-front.jpg"
    assert [other.given for other in pip.others] == ["pictures/pip-side.jpg", "pictures/harbour.jpg"]


def test_picture_alone_lacks_the_others_and_is_no_further_problem(studio: Studio) -> None:
    text = "cast: {Pip: {description: Robot, pictures: [pictures/pip-front.jpg]}}\n"
    assert [problem.argument for problem in studio.problems(text)] == ["cast.Pip.others"]


def test_entry_without_any_front_picture_is_not_said_to_have_others(studio: Studio) -> None:
    (front,) = (p for p in studio.problems("cast: {Pip: {description: R, others: [pictures/pip-side.jpg]}}\n"))
    assert (front.argument, front.rule) == ("cast.Pip.front", "must be a picture from the front")


def test_misspelled_name_is_reported_beside_other_problems(studio: Studio) -> None:
    text = f"cast:{PIP}shots:\n  s01: {{prompt: '@PIP waves to @Pib and @Nobody', duration: 99}}\n"
    assert [(problem.argument, problem.fix) for problem in studio.problems(text)] == [
        ("shots.s01.prompt", "did you mean @Pip?"),
        ("shots.s01.prompt", "did you mean @Pip?"),
        ("shots.s01.duration", "choose one."),
    ]


def test_missing_picture_is_answered_with_the_one_beside_it(studio: Studio) -> None:
    (problem,) = studio.problems(f"cast:{PIP}".replace("pip-side", "pip-back"))
    assert "pip-side.jpg" in problem.fix
    (problem,) = studio.problems(f"cast:{PIP}".replace("pip-side", "zebra"))
    assert problem.fix == "check the name; paths begin at the folder of the sheet."


class TestRelativePath:
    """The caller does not know in which folder the server was started."""

    def test_name_is_found_in_the_allowed_folder(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        studio.read(f"cast:{PIP}", "lighthouse.yaml")
        monkeypatch.chdir("/")
        assert read_sheet("lighthouse.yaml", studio.policy).path == studio.folder / "lighthouse.yaml"

    def test_name_that_two_folders_have_needs_the_full_path(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = studio.folder.parent / "other"
        other.mkdir()
        (other / "lighthouse.yaml").write_text("cast: {Mia: '160'}\n")
        studio.read("cast: {Mia: '160'}\n", "lighthouse.yaml")
        monkeypatch.chdir("/")
        with pytest.raises(InputError, match="give the full path"):
            read_sheet("lighthouse.yaml", type(studio.policy)((studio.folder, other)))

    def test_unknown_name_gets_no_far_suggestion_and_no_order_to_move_it(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        studio.read("cast: {Mia: '160'}\n", "lighthouse.yaml")
        monkeypatch.chdir("/")
        with pytest.raises(InputError) as caught:
            read_sheet("nope.yaml", studio.policy)
        (problem,) = caught.value.problems
        assert problem.fix == "check the name, or give the full path."
        with pytest.raises(InputError, match=r'did you mean "lighthouse\.yaml"'):
            read_sheet("lighthous.yaml", studio.policy)

    def test_way_out_of_the_allowed_folder_stays_closed(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        (studio.folder.parent / "secret.yaml").write_text("cast: {Mia: '160'}\n")
        monkeypatch.chdir("/")
        with pytest.raises(InputError):
            read_sheet("../secret.yaml", studio.policy)
