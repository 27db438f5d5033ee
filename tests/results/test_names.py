"""Names of files are safe on every system, whatever they are made from."""

from __future__ import annotations

import os
import re
import unicodedata
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.errors import InputError
from kling_mcp.results.names import (
    MAX_FOLDERS,
    MAX_STEM_BYTES,
    SaveAs,
    fold,
    free_stems,
    numbered,
    parse_save_as,
    slug,
)

HOSTILE = st.text(
    st.characters()
    | st.sampled_from('/\\:*?"<>|.~ -\0\x1f\x7f\u202e\u2066\u200b\u200d\ufeff\u2028\ud800😀्ِ́กำ한')
    | st.sampled_from(list("conauxCOM1²nulLPT")),
    max_size=200,
)
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


def is_safe(name: str) -> bool:
    """Whether Windows, macOS and Linux take it, and people see what it is."""
    return (
        0 < len(name.encode()) <= MAX_STEM_BYTES + 1
        and not re.search(
            r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f]', name
        )
        and name[0] not in " .-~"
        and name[-1] not in " ."
        and not RESERVED.fullmatch(name.partition(".")[0].strip())
        and unicodedata.normalize("NFC", name) == name
    )


@given(HOSTILE)
def test_slug_of_any_prompt_is_a_safe_name(prompt: str) -> None:
    made = slug(prompt, "video")
    assert is_safe(made)
    assert " " not in made
    assert len(made) <= 49


@given(HOSTILE)
def test_every_part_of_save_as_is_a_safe_name_or_refused(text: str) -> None:
    try:
        wish = parse_save_as(text)
    except InputError as error:
        (problem,) = error.problems
        wish = None
    if wish is None:
        assert problem.argument == "save_as"
        assert problem.rule.startswith("must ")
        return
    parts = [*wish.folders, *filter(None, [wish.name, wish.stem])]
    assert all(map(is_safe, parts))
    assert len(wish.folders) <= MAX_FOLDERS
    assert bool(wish.stem) == bool(wish.name)
    # What was made safe once stays as it is.
    assert parse_save_as("/".join([*wish.folders, wish.name])) == wish


@given(HOSTILE)
def test_safe_names_can_be_files_here(text: str) -> None:
    made = slug(text, "video")
    longest = f"{numbered(made, 9, 9)} (9999).webp"
    assert len(longest.encode()) <= 143
    assert os.path.basename(longest) == longest  # noqa: PTH119 - compares text
    assert Path(longest).name == longest


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Mama and Sara dance in the kitchen, wide", "mama-and-sara-dance-in-the-kitchen-wide"),
        ("@Mia as an astronaut", "mia-as-an-astronaut"),
        ("@{Mia Sophie} waves; @@home", "mia-sophie-waves-home"),
        ("<<<element_1>>> runs", "element-1-runs"),
        ("Ein Mädchen läuft über die Straße", "ein-mädchen-läuft-über-die-straße"),
        ("妈妈和莎拉在厨房里跳舞", "妈妈和莎拉在厨房里跳舞"),
        ("妈妈和莎拉" * 30, ("妈妈和莎拉" * 30)[:40]),
        ("माँ रसोई में नाचती है", "माँ-रसोई-में-नाचती-है"),
        ("أمي ترقص في المطبخ", "أمي-ترقص-في-المطبخ"),
        ("แม่เต้นรำในครัว", "แม่เต้นรำในครัว"),
        ("엄마가 부엌에서 춤을 춘다", "엄마가-부엌에서-춤을-춘다"),
        ("می‌رقصد مادر", "می‌رقصد-مادر"),
        ("word " * 50, "word-word-word-word-word-word-word-word-word"),
        ("a" * 300, "a" * 48),
        ("💃🕺", "video"),
        ("…!?", "video"),
        ("", "video"),
        ("../../etc/passwd", "etc-passwd"),
        ("CON", "_con"),
        ("nul", "_nul"),
        ("a\u202eb c\u200bd", "ab-cd"),
    ],
)
def test_prompt_becomes_a_short_readable_name(prompt: str, name: str) -> None:
    assert slug(prompt, "video") == name


# Each ends with something that is one character for people, and is longer than a name may be.
FAMILY = "👩\u200d👩\u200d👧"


@pytest.mark.parametrize(
    "character",
    [FAMILY, "👍🏽", "🇩🇪", "e\u0323\u0301", "한", "กำ", "क्ष", "ก\u0e49", "\u1112\u1161\u11ab"],
)
def test_long_name_is_cut_between_characters_as_people_see_them(character: str) -> None:
    for shift in range(12):
        (name,) = [parse_save_as("x" * shift + character * 60).name]
        shown = unicodedata.normalize("NFC", character)
        rest = name.removeprefix("x" * shift)
        assert rest == shown * (len(rest) // len(shown))
        assert len(name.encode()) > MAX_STEM_BYTES - 30


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", SaveAs()),
        ("  ", SaveAs()),
        (".", SaveAs()),
        ("./", SaveAs()),
        ("kitchen", SaveAs((), "kitchen")),
        ("scenes/", SaveAs(("scenes",))),
        ("scenes/.", SaveAs(("scenes",))),
        ("scenes//one", SaveAs(("scenes",), "one")),
        ("a/b/c/d/e", SaveAs(("a", "b", "c", "d"), "e")),
        (" scenes / one. ", SaveAs(("scenes",), "one")),
        (".hidden", SaveAs((), "hidden")),
        ("--help", SaveAs((), "help")),
        ("con/aux.mp4", SaveAs(("_con",), "_aux.mp4")),
        ("COM¹", SaveAs((), "_COM¹")),
        ("console", SaveAs((), "console")),
        ("ab:c*d", SaveAs((), "ab c d")),
        ("e\u0301", SaveAs((), "é")),
    ],
)
def test_save_as_is_read_as_folders_and_a_name(text: str, wish: SaveAs) -> None:
    assert parse_save_as(text) == wish


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.mp4", "a"), ("a.JPEG", "a"), ("a.b", "a.b"), ("a.mp4.mp4", "a.mp4"), ("a .png", "a"), ("mp4", "mp4")],
)
def test_extension_of_a_result_is_left_to_the_content(name: str, stem: str) -> None:
    assert SaveAs((), name).stem == stem


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], ["a", "a (2)"]),
        (["a.mp4"], ["a (2)", "a (3)"]),
        (["A.MP4", "a (2).json"], ["a (3)", "a (4)"]),
        (["a.png", "a"], ["a", "a (2)"]),
    ],
)
def test_taken_names_are_passed_over(taken: list[str], free: list[str]) -> None:
    assert list(islice(free_stems("a", ".mp4", taken), 2)) == free


@pytest.mark.parametrize(("one", "other"), [("É.mp4", "e\u0301.MP4"), ("STRASSE", "straße"), ("ΣΑΣ", "σας")])
def test_names_that_some_disk_takes_for_one_collide(one: str, other: str) -> None:
    assert fold(one) == fold(other)
