"""Files that no person wrote in good faith, and mistakes that every person makes: a sentence each, and quickly."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
from costs import coverage_rests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_mcp.errors import InputError, Problem
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.production.parse_json import parse_json, parse_toml
from kling_mcp.production.parse_yaml import parse_yaml
from kling_mcp.production.read_sheet import parse_sheet
from kling_mcp.production.sheet_file import SheetText
from production.studio import PIP, Studio

LARGE = 100_000  # characters
BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)

# Each file, the rule that it breaks, and the line.
HOSTILE: dict[str, tuple[str | bytes, str, int]] = {
    "aliases": ("cast: &a {Pip: '160'}\nshots: *a\n", "must have no aliases", 2),
    "billion laughs": (BOMB, "must have no aliases", 2),
    "an object": ("cast: !!python/object/apply:os.system ['id']\n", "must have no YAML tags", 1),
    "a tag of its own": ("cast:\n  Pip: !secret '160'\n", "must have no YAML tags", 2),
    "a set": ("cast: !!set {Pip, Bo}\n", "must have no YAML tags", 1),
    "two documents": ("version: 1\n---\nversion: 1\n", "must hold one document", 2),
    "a key twice": ("cast:\n  Pip: '160'\n  Bo: '161'\n  Pip: '162'\n", "must have each key once", 4),
    "a list as a key": ("cast:\n  ? [a, b]\n  : '160'\n", "must have a text for each key", 2),
    "an empty key": ("cast:\n  '': '160'\n", "must have a text for each key", 2),
    "deep lists": ("cast: " + "[" * 5000, "must be nested at most 12 deep", 1),
    "deep maps": ("{a: " * 5000, "must be nested at most 12 deep", 1),
    "many values": ("cast: [" + "x, " * 60_000 + "]", "must have at most 50000 values", 1),
    "tabs": ("cast:\n\tPip: '160'\n", "must be valid YAML", 2),
    "an @ without quotes": ("shots:\n  s01:\n    prompt: @Pip waves\n", "must be valid YAML", 3),
    "a colon without quotes": ("shots:\n  s01:\n    prompt: Pip: waves\n", "must be valid YAML", 3),
    "a path of Windows": ('cast:\n  Pip: {front: "C:\\Users\\pip.jpg"}\n', "must be valid YAML", 2),
    "an open quote": ('shots:\n  s01:\n    prompt: "Pip waves\n', "must be valid YAML", 4),
    "wrong indentation": ("cast:\n  Pip: '160'\n Bo: '161'\n", "must be valid YAML", 3),
    "an escape that is none": ('cast: {"\\UFFFFFFFF": "160"}', "must be valid YAML", 0),
    "half a pair": ('cast: {"\\uD800": "160"}', "must be valid Unicode", 1),
    "a NUL": ("cast:\n  Pip: a\0b\n", "must have no control characters", 2),
    "a merge": (f"cast:{PIP}    <<: {{voice: Anna}}\n", "must be one of the keys", 6),
}
HOSTILE_JSON = {
    "a key twice": ('{"cast": {"Pip": "160",\n "Pip": "161"}}', "must have each key once", 2),
    "a comment": ('{\n // cast\n "cast": {}}', "must be valid JSON", 2),
    "a comma too many": ('{"cast":\n {"Pip": "160",}}', "must be valid JSON", 2),
    "deep lists": ("[" * 100_000, "must be valid JSON", 0),
    "deep lists that end": ("[" * 50 + "]" * 50, "must be nested at most 12 deep", 1),
    "half a pair": ('{"cast": {"\\ud800": "160"}}', "must be valid Unicode", 1),
    "a large number": (f'{{"cast": {{"Pip": {"9" * 100_000}}}}}', "must be in quotes", 1),
    "not a number": ('{"version": NaN}', "must be 1", 1),
}
HOSTILE_TOML = {
    "a key twice": ('[cast]\nPip = "160"\nPip = "161"\n', "must be valid TOML", 3),
    "a date": ("[cast]\nPip = 2026-05-01\n", "must be a text", 0),
    "a large number": (f"[cast]\nPip = {'9' * 10_000}\n", "must be valid TOML", 0),
    "a large hexadecimal number": (f"[cast]\nPip = 0x{'f' * 10_000}\n", "must be in quotes", 0),
    "deep lists": ("cast = " + "[" * 50_000, "must be valid TOML", 0),
    "a text without quotes": ("[cast]\nPip = Small robot\n", "must be valid TOML", 2),
}
CASES = [
    pytest.param(name, *case, id=f"{what} in {name}")
    for name, cases in (("a.yaml", HOSTILE), ("a.json", HOSTILE_JSON), ("a.toml", HOSTILE_TOML))
    for what, case in cases.items()
]


@pytest.mark.parametrize(("name", "text", "rule", "line"), CASES)
def test_hostile_file_is_refused_with_rule_and_line(studio: Studio, name: str, text: str, rule: str, line: int) -> None:
    began = time.thread_time()
    with coverage_rests() if len(text) > LARGE else nullcontext():  # it would take half of the seconds
        found = [(problem.rule, problem.place.line) for problem in studio.problems(text, name)]
    assert any(told.startswith(rule) and place == line for told, place in found), found
    assert time.thread_time() - began < 5


def test_usual_mistakes_of_yaml_come_with_their_fix(studio: Studio) -> None:
    fixes = {
        what: studio.problems(HOSTILE[what][0])[0].fix
        for what in ("an @ without quotes", "tabs", "a colon without quotes", "aliases", "a path of Windows")
    }
    assert fixes == {
        "an @ without quotes": 'put a text that begins with @ in quotes, such as prompt: "@Mia waves".',
        "tabs": "indent with spaces, not with tabs.",
        "a colon without quotes": "put a text that holds a colon and a space in quotes.",
        "a path of Windows": (
            "in double quotes a backslash begins an escape: write a path with slashes, or in single quotes."
        ),
        "aliases": 'write the value out, or use "defaults" for what many entries share.',
    }


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_sheet_in_another_encoding_is_refused(studio: Studio, encoding: str) -> None:
    with pytest.raises(InputError, match=r"must (be UTF-8|have no control characters)"):
        studio.read("cast:\n  Zoë: '160'\n".encode(encoding))


def test_byte_order_mark_and_windows_line_ends_are_fine(studio: Studio) -> None:
    text = f"cast:{PIP}shots:\n  s01:\n    prompt: '@Pip waves'\n".replace("\n", "\r\n")
    sheet = studio.read(b"\xef\xbb\xbf" + text.encode())
    assert (sheet.cast["Pip"].place.line, sheet.shots["s01"].prompt) == (2, "@Pip waves")
    assert studio.read(b'\xef\xbb\xbf{"Pip":\r\n "160"}', "a.json").cast["Pip"].element_id == "160"


def test_large_file_is_not_read(studio: Studio) -> None:
    with pytest.raises(InputError, match="must have at most 1000000 bytes"):
        studio.read("#" * 1_000_001)


def test_anchor_without_an_alias_does_no_harm(studio: Studio) -> None:
    assert list(studio.read("cast: &all\n  Pip: &pip '160'\n").cast) == ["Pip"]


def test_text_tag_makes_a_text_of_digits(studio: Studio) -> None:
    assert studio.read("cast:\n  Pip: !!str 160\n").cast["Pip"].element_id == "160"


def test_long_texts_in_problems_are_capped(studio: Studio) -> None:
    texts = [
        f"{'x' * 100_000}: 1",
        f"cast:\n  {'x' * 900}: {{description: {'y' * 100_000}}}",
        "cast: {a: !!t" + "z" * 9000,
    ]
    for text in texts:
        assert all(len(str(problem)) < 1500 for problem in studio.problems(text))


# Pieces that matter to some parser, in any order.
SIGNS = "{}[]:,-?|>&*!%@`'\"#=\n \t\0\x85\u2028\ufeff\U0001f600"
WORDS = (
    'version cast shots defaults Pip prompt front 160 \'160\' 1e999 true ~ << &a *a !!str \\u0041 0x 1979-05-27 [[ """'
)
PIECES = st.lists(st.sampled_from([*SIGNS, *WORDS.split(), "\n  ", ": ", "- ", "---\n"]), max_size=40).map("".join)


def outcome(studio: Studio, ending: str, text: str) -> tuple[Problem, ...]:
    """The problems of a sheet, () if there are none. Nothing else may be raised."""
    try:
        parse_sheet(SheetText(studio.folder / f"a{ending}", text, ending, ""), MediaPolicy((studio.folder,)))
    except InputError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("ending", [".yaml", ".json", ".toml"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(st.characters(codec="utf-8"), max_size=60), PIECES))
def test_any_text_is_a_sheet_or_a_list_of_problems(studio: Studio, ending: str, text: str) -> None:
    assert all(problem.rule.startswith("must ") and problem.fix for problem in outcome(studio, ending, text))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from(["description", "front", "others", "video", "voice", "tags", "element_id", "x"])
SHOT_KEYS = st.sampled_from(
    ["prompt", "shots", "model", "duration", "images", "first_frame", "takes", "save_as", "audio"]
)


@given(
    cast=st.dictionaries(st.text(max_size=8), st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=3),
    shots=st.dictionaries(st.text(max_size=8), st.dictionaries(SHOT_KEYS, VALUES, max_size=4) | VALUES, max_size=3),
    defaults=VALUES,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_a_sheet_or_a_list_of_problems(
    studio: Studio, cast: object, shots: object, defaults: object
) -> None:
    text = json.dumps({"version": 1, "cast": cast, "shots": shots, "defaults": defaults})
    for ending in (".json", ".yaml"):
        assert all(problem.rule.startswith("must ") for problem in outcome(studio, ending, text))


def test_yaml_is_loaded_when_a_sheet_is_read() -> None:
    code = "import sys, kling_mcp.production.read_sheet; print('yaml' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_empty_texts_have_no_tree() -> None:
    assert (parse_yaml("# nothing"), parse_json(" \n"), parse_toml("# nothing")) == (None, None, None)
