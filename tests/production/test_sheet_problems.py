"""Every problem of a sheet at once, each with its line, the rule and the fix."""

from __future__ import annotations

import re

import pytest

from kling_mcp.errors import InputError
from production.studio import PIP, Studio

EVERYTHING_WRONG = """version: 2
chast: {}
defaults:
  front: pictures/pip-front.jpg
  tags: [Person]
  shots: {model: "4.0", prompt: Hello}
cast:
  Pip:
    frontal_image: pictures/pip-front.jpg
    others: [pictures/pip-sid.jpg, 5, pictures/pip-side.jpg]
  A name of more than 20 characters:
    description: [Robot]
    video: clip.mp4
    front: pictures/pip-front.jpg
    voice: 829836802793406551
  Old: mia.png
  Empty:
shots:
  s01:
    prompt: "@Pip waves"
    duration: 99
    audio: false
    takes: 0
  s02:
    save_as: /etc/passwd
    last_frame: pictures/pip-front.jpg
    resolution: 720
  s03: [A robot waves]
"""


def test_all_problems_are_reported_in_the_order_of_the_file(studio: Studio) -> None:
    assert studio.places(EVERYTHING_WRONG) == [
        (1, "version"),
        (2, "chast"),
        (4, "defaults.front"),
        (5, "defaults.tags[0]"),
        (6, "defaults.shots.model"),
        (6, "defaults.shots.prompt"),
        (8, "cast.Pip.description"),
        (9, "cast.Pip.frontal_image"),
        (10, "cast.Pip.others[0]"),
        (10, "cast.Pip.others[1]"),
        (11, 'cast."A name of more than 20 characters"'),
        (12, 'cast."A name of more than 20 characters".description'),
        (13, 'cast."A name of more than 20 characters".video'),
        (14, 'cast."A name of more than 20 characters".front'),
        (15, 'cast."A name of more than 20 characters".voice'),
        (16, "cast.Old.element_id"),
        (21, "shots.s01.duration"),
        (22, "shots.s01.audio"),
        (23, "shots.s01.takes"),
        (24, "shots.s02.prompt"),
        (25, "shots.s02.save_as"),
        (26, "shots.s02.last_frame"),
        (27, "shots.s02.resolution"),
        (28, "shots.s03"),
    ]


def test_text_of_a_problem_begins_with_its_line(studio: Studio) -> None:
    (problem,) = studio.problems(f"cast:{PIP}    tag: [Person]\n")
    assert str(problem) == (
        "line 6, cast.Pip.tag: must be one of the keys description, front, others, video, voice, tags, element_id; "
        'got "tag". Fix: did you mean tags?'
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [("frontal_image", "front"), ("voice_id", "voice"), ("descripton", "description"), ("id", "element_id")],
)
def test_unknown_key_of_the_cast_is_answered_with_the_likely_one(studio: Studio, given: str, meant: str) -> None:
    fixes = [problem.fix for problem in studio.problems(f"cast:{PIP}    {given}: x\n")]
    assert f"did you mean {meant}?" in fixes


def test_misspelled_key_is_not_missing_as_well(studio: Studio) -> None:
    assert studio.places("shots:\n  s01:\n    promt: A robot waves\n") == [(3, "shots.s01.promt")]


def test_mistake_in_a_default_is_reported_once(studio: Studio) -> None:
    text = "defaults:\n  shots: {first_frame: missing.jpg}\nshots:\n" + "".join(
        f"  s{number}: {{prompt: A robot waves}}\n" for number in range(9)
    )
    assert studio.places(text) == [(2, "defaults.shots.first_frame")]


def test_rules_for_generations_hold_for_each_shot(studio: Studio) -> None:
    text = f"""cast:{PIP}shots:
  s01: {{prompt: "@Pip waves", model: 3.0}}
  s02: {{prompt: A robot, model: 3.0, images: pictures/harbour.jpg}}
  s03: {{shots: ["3: @Pip waves", "@Pip sits"], prompt: A robot}}
  s04: {{prompt: A robot, audio: native, video_url: "https://example.com/a.mp4"}}
  s05: {{prompt: A robot, model: o1, duration: 7}}
  s06: {{prompt: "@Somebody of the library", model: o1, duration: 7}}
"""
    assert studio.places(text) == [
        (7, "shots.s01.prompt"),
        (8, "shots.s02.images"),
        (9, "shots.s03.shots[1]"),
        (9, "shots.s03.prompt"),
        (10, "shots.s04.audio"),
        (11, "shots.s05.duration"),
    ]


def test_default_length_does_not_hold_for_cuts_of_their_own(studio: Studio) -> None:
    text = 'defaults: {shots: {duration: 5}}\nshots:\n  s01: {shots: ["3: A robot", "4: A boat"]}\n'
    assert studio.read(text).shots["s01"].duration is None
    assert studio.places(f"{text}  s02: {{shots: ['3: A robot'], duration: 5}}\n") == [(4, "shots.s02.duration")]


def test_picture_that_is_none_is_reported_with_its_line(studio: Studio) -> None:
    (studio.folder / "pictures/pip-side.jpg").write_text("no picture")
    (problem,) = studio.problems(f"cast:{PIP}")
    assert (problem.place.line, problem.argument) == (5, "cast.Pip.others[0]")


def test_local_clip_is_refused_with_the_reason(studio: Studio) -> None:
    (problem,) = studio.problems("cast:\n  Host: {description: Presenter, video: clips/host.mp4}\n")
    assert (problem.place.line, problem.argument) == (2, "cast.Host.video")
    assert "because Kling has no upload route for videos" in problem.rule


def test_adopted_entry_brings_no_material_of_its_own(studio: Studio) -> None:
    assert studio.places(f"cast:{PIP}    element_id: '160'\n") == [(4, "cast.Pip.front"), (5, "cast.Pip.others")]
    pip = studio.read("cast:\n  Pip: {element_id: '160', description: Small robot, tags: [Character]}\n").cast["Pip"]
    assert (pip.element_id, pip.description, pip.tags) == ("160", "Small robot", ("Character",))


def test_entry_without_material_means_the_element_of_that_name(studio: Studio) -> None:
    sheet = studio.read("cast:\n  Pip:\n  A name of more than 20 characters: {description: Small robot}\n")
    assert [(entry.element_id, entry.front, entry.video) for entry in sheet.cast.values()] == [("", None, "")] * 2


@pytest.mark.parametrize(
    ("entry", "places"),
    [
        ("{front: pictures/pip-front.jpg}", ["cast.Pip.description", "cast.Pip.others"]),
        ("{description: x, others: [pictures/pip-side.jpg]}", ["cast.Pip.front"]),
        ("{description: x, front: pictures/pip-front.jpg, others: []}", ["cast.Pip.others"]),
        ("{video: 'https://example.com/pip.mp4'}", ["cast.Pip.description"]),
    ],
)
def test_entry_with_some_material_needs_the_rest(studio: Studio, entry: str, places: list[str]) -> None:
    assert sorted(problem.argument for problem in studio.problems(f"cast:\n  Pip: {entry}\n")) == places


def test_names_that_look_the_same_are_refused(studio: Studio) -> None:
    (problem,) = studio.problems('cast: {"Pip": "160", "Pip ": "161"}'.replace("Pip ", "Pi\u200bp"))[:1]
    assert problem.argument.startswith("cast.")
    assert len(studio.problems('cast: {"Zo\u00eb": "160", "Zoe\u0308": "161"}')) >= 1


def test_sheet_without_entries_is_refused(studio: Studio) -> None:
    for text in ("", "# nothing yet\n", "version: 1\n", "cast: {}\nshots:\n"):
        assert [problem.rule for problem in studio.problems(text)] == ["must have cast or shots"]
    assert studio.problems("- a\n- b\n")[0].rule == "must be a map of version, cast and shots"


def test_too_many_entries_are_refused_by_number(studio: Studio) -> None:
    text = "shots:\n" + "".join(f"  s{number}: {{prompt: x}}\n" for number in range(1001))
    (problem,) = studio.problems(text)
    assert (problem.rule, problem.actual) == ("must have at most 1000 ids", "1001")


def test_error_for_the_caller_says_that_nothing_was_made(studio: Studio) -> None:
    with pytest.raises(InputError) as caught:
        studio.read(EVERYTHING_WRONG)
    told = caught.value.for_caller()
    assert re.match(r"24 problems with the input:\n- line 1, version: must be 1; got ", told)
    assert "Nothing was made. Correct the sheet and call again." in told
