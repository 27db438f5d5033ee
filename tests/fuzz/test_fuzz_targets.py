"""Every door through which foreign bytes come in, with true examples and with changed ones; `fuzz.search` goes on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from profiles import PROFILE
from repository_files import ROOT

from fuzz import search
from fuzz.doors import Door, refusals, require_showable
from fuzz.guards import ends
from fuzz.mutants import changed_value, mutants
from fuzz.targets import module_of, targets
from kling_mcp.errors import InputError, KlingError, Problem

TARGETS = targets()
CHANGED = 3_000 if PROFILE == "fuzz" else 80
SEED = str(random.SystemRandom().random()) if PROFILE == "fuzz" else "the same"


@pytest.mark.parametrize("name", TARGETS)
def test_door_takes_true_and_changed_bytes(name: str) -> None:
    for data in mutants(TARGETS[name], CHANGED, f"{name} {SEED}"):
        try:
            with ends():
                TARGETS[name].run(data)
        except Exception as error:
            error.add_note(f"The input: {data[:2000]!r}")
            raise


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe", b"[" * 5_000, b"\xed\xa0\x80", b"9" * 5_000])
def test_door_takes_what_resembles_no_example(name: str, data: bytes) -> None:
    with ends():
        TARGETS[name].run(data)


def test_targets_are_found_by_their_modules() -> None:
    assert all(name in targets(module_of(name)) for name in TARGETS)


# --- the search can find something


def defect(data: bytes) -> None:
    """Stands behind three bytes in a row."""
    if b"bug" in data:
        raise ZeroDivisionError("planted")


def test_changes_without_a_guide_find_a_planted_defect() -> None:
    door = Door(defect, lambda: [b"a bag", b"bad"], [b"bug"])
    found = search._unguided("planted", door, 20_000, 7)
    assert "ZeroDivisionError: planted\nof b'" in found.found
    assert found.inputs < 20_000


@pytest.mark.parametrize(
    "error",
    [
        KlingError("An odd\x1b[31m name."),
        KlingError("<kling_mcp.api.client.KlingClient object at 0x7f>"),
        KlingError("x" * 70_000),
        KlingError("A defect.", kind="internal"),
        InputError([Problem("image", "is wrong", "x", "y")]),
        ValueError("not ours"),
    ],
)
def test_refusal_that_breaks_the_contract_is_a_finding(error: Exception) -> None:
    with pytest.raises((AssertionError, ValueError)), refusals():
        raise error


def test_right_to_left_override_is_not_showable() -> None:
    with pytest.raises(AssertionError):
        require_showable("a\u202eb")


def test_changed_json_is_json_again_and_nothing_else_is_touched() -> None:
    dice = random.Random(7)
    data = b"\x05" + json.dumps({"code": 0, "data": [{"id": 1}, {"id": 2}]}).encode()
    changed = {changed_value(data, 1, dice) for _ in range(200)}
    assert len(changed) > 50
    for one in changed:
        assert one[:1] == b"\x05"
        json.loads(one[1:])
    assert changed_value(b"\x05{", 1, dice) == b"\x05{"


def test_search_on_the_command_line_replays_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "crash"
    kept.write_bytes(b'{"code": 0, "data": {"code": []}}')
    assert search.main(["--only", "replies on bills", "--replay", str(kept)]) == 0
    assert capsys.readouterr().out == "Nothing was found.\n"
    assert f"{search.KEPT}/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
