"""Results of `kling-mcp call` and their folder: nothing is paid for unsaid where nothing is saved."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers import API_KEY
from never_twice.real_server import Kling

from commands.conftest import Run

PICTURE = ("generate_image", "prompt=@Mia smiles")
UNSAVED = "Results are not saved here (KLING_MCP_OUTPUT_DIR is off), and Kling's links end after 30 days"
OFF = {"KLING_MCP_OUTPUT_DIR": "off"}


@pytest.fixture(autouse=True)
def _mia(kling: Kling) -> None:
    kling.world.add_element(kling.world.account_of(API_KEY), "Mia")


def test_price_and_answer_say_that_results_are_not_saved(run: Run, kling: Kling) -> None:
    dry = run(*PICTURE, "save_as=one", "dry_run=true", "--json", **OFF).envelope()["result"]["warnings"]
    assert dry[0].startswith(UNSAVED)
    assert dry[1:] == ["save_as is not used, because nothing is saved."]
    asked = run(*PICTURE, "save_as=one", **OFF)
    assert f"Note: {UNSAVED}" in asked.err
    assert "save_as is not used" in asked.err
    assert not kling.world.accepted_creations()
    made = run(*PICTURE, "save_as=one", "max_units=8", **OFF)
    assert made.code == 0
    assert made.out.count(UNSAVED) == 1
    assert UNSAVED in run("find_generations", **OFF).out


def test_result_of_a_time_without_a_folder_is_saved_later(run: Run, tmp_path: Path) -> None:
    made = run(*PICTURE, "max_units=8", "--json", **OFF).envelope()["result"]
    assert "Nothing is unfinished; find_elements" in run("wait_for_tasks", **OFF).out
    folder = str(tmp_path / "later")
    left = run("wait_for_tasks", "--output-dir", folder).out
    command = f"kling-mcp call wait_for_tasks ids={made['task_id']} --output-dir {folder}"
    assert f"1 finished generation has no file in the output folder. To save: run: {command}." in left
    saved = run(*shlex.split(command)[2:], "--json").envelope()["result"]["tasks"][0]
    (path,) = (Path(row["path"]) for row in saved["files"])
    assert path.parent == Path(folder)
    path.unlink()
    again = run("wait_for_tasks", "--output-dir", folder).out
    assert "Nothing is unfinished; find_elements" in again, "what a person removed is not offered"


def test_folder_of_the_option_is_relative_to_the_shell_and_stays_in_the_next_command(
    run: Run, kling: Kling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kling.world.durations = lambda _kind, _rng: 1.5
    begun = run(*PICTURE, "max_units=8", "wait_seconds=0", "--output-dir=pics", "--json").envelope()
    assert begun["resume"].endswith(" --output-dir pics --json")
    (task,) = run(*shlex.split(begun["resume"])[2:]).envelope()["result"]["tasks"]
    assert Path(task["files"][0]["path"]).parent == tmp_path / "pics"


def test_relative_folder_of_the_variable_is_relative_to_the_shell(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = run(*PICTURE, "max_units=8", "--json", KLING_MCP_OUTPUT_DIR="./pics").envelope()["result"]
    assert Path(made["files"][0]["path"]).parent == tmp_path / "pics"


def test_folder_without_its_name_is_wrong_use(run: Run) -> None:
    refused = run(*PICTURE, "--output-dir")
    assert refused.code == 2
    assert "--output-dir: must have a folder, or off, behind it" in refused.err


def test_name_for_a_file_that_is_there_already_is_answered(run: Run) -> None:
    first = run(*PICTURE, "max_units=8", "save_as=one", "--json").envelope()["result"]
    assert first["warnings"] == []
    again = run(*PICTURE, "save_as=two", "--json").envelope()["result"]
    note = f'It was saved already, as "{first["files"][0]["path"]}"; save_as was not used.'
    assert again["warnings"] == [note]
    assert run(*PICTURE, "save_as=one", "--json").envelope()["result"]["warnings"] == []
    ids = f"ids={first['task_id']}"
    assert run("wait_for_tasks", ids, "--json").envelope()["result"]["tasks"][0]["warnings"] == []
    assert note in run("wait_for_tasks", ids, "save_as=two").out
