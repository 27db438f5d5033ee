"""The sandbox of a shell: each command is a process of its own, and all of them share one simulated Kling."""

from __future__ import annotations

import json
import pickle
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import preloaded
import pytest
from PIL import Image
from processes import environ_with

from commands.conftest import LOOKS
from kling_mcp._version import __version__
from kling_mcp.simulator import World
from kling_mcp.simulator.world_file import WorldFile, pack, unpack


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return environ_with(
        KLING_MCP_SANDBOX="1",
        KLING_MCP_STATE_DIR=str(tmp_path / "state"),
        KLING_MCP_MEDIA_DIRS=str(tmp_path),
        KLING_MCP_OUTPUT_DIR=str(tmp_path / "results"),
    )


def start(variables: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [*preloaded.command(), "call", *words, "--json"]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    held: dict[str, Any] = json.loads(out)["result"]
    return held


def error_of(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The error of a call that failed, and stderr."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    held: dict[str, Any] = json.loads(out)["error"]
    return held, err


def creation(folder: Path, name: str) -> list[str]:
    pictures = [folder / f"{name}-{side}.png" for side in ("front", "side")]
    for number, picture in enumerate(pictures):
        Image.new("RGB", (400, 500), (40 * number, len(name) * 20 % 255, 90)).save(picture)
    looks = [f"element_name={name}", *LOOKS[1:]]
    return ["create_element_and_wait", *looks, f"frontal_image={pictures[0]}", f"refer_images={pictures[1]}"]


def test_cast_made_by_commands_at_once_is_there_for_the_next(variables: dict[str, str], tmp_path: Path) -> None:
    started = [start(variables, *creation(tmp_path, name)) for name in ("Mia", "Sara")]
    made = [result_of(process)["element_ids"][0] for process in started]
    assert made[0] != made[1]
    found = result_of(start(variables, "find_elements"))
    assert {row["element_id"] for row in found["elements"]} == {*made}
    prompt = "prompt=@Mia and @Sara at the counter"
    filmed = result_of(start(variables, "generate_image", prompt, "max_units=8", "wait_seconds=0"), code=3)
    known = result_of(start(variables, "find_generations"))
    assert [row["task_id"] for row in known["generations"]] == [filmed["task_id"]]
    spent = result_of(start(variables, "check_balance"))
    assert spent["units_left"]
    again = result_of(start(variables, *creation(tmp_path, "Mia")))
    assert (again["element_ids"], again["outcome"]) == ([made[0]], "already_submitted")


def test_sandbox_is_empty_again_after_its_folder_was_removed(variables: dict[str, str], tmp_path: Path) -> None:
    result_of(start(variables, *creation(tmp_path, "Mia")))
    folder = tmp_path / "state" / f"sandbox-{__version__}"
    assert {path.stat().st_mode & 0o077 for path in folder.glob("kling.sqlite3")} == {0}
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    assert result_of(start(variables, "find_elements"))["total"] == 0


def test_world_that_was_packed_is_the_same_world() -> None:
    world, other = (World(lambda: 1000.0, api_keys=["key"]) for _ in range(2))
    element = world.add_element(world.account_of("key"), "Mia")
    unpack(other, pack(world))
    account = other.account_of("key")
    assert account.elements[element.element_id].element_name == "Mia"
    assert [task.task_id for task in account.element_tasks] == [element.task_id]
    assert account.tasks[element.task_id] is account.elements[element.element_id]
    assert other.add_element(account, "Sara").task_id != element.task_id
    assert account.ledger.affords("video", account.ledger.packs[0].remaining, 1000.0)


def test_file_that_was_tampered_with_runs_no_code() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("run",)

    with pytest.raises(pickle.UnpicklingError, match="no part of a world"):
        unpack(World(), pickle.dumps(Evil()))


def test_file_of_the_sandbox_that_cannot_be_used_is_a_sentence(variables: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "state" / f"sandbox-{__version__}"
    folder.mkdir(parents=True)
    (folder / "kling.sqlite3").write_bytes(b"no database" * 100)
    error, err = error_of(start(variables, "list_elements"))
    assert (error["kind"], error["created"], error["retry"]) == ("read_only", "no", "never")
    assert f"The file of the sandbox, {folder / 'kling.sqlite3'}, cannot be read" in error["message"]
    assert "Traceback" not in err


def test_folder_of_the_sandbox_that_cannot_be_written_is_named(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    for words in (["list_elements"], creation(tmp_path, "Mia")):
        error, err = error_of(start(variables, *words))
        assert (error["kind"], error["created"], error["retry"]) == ("read_only", "no", "never")
        assert f"The state folder {tmp_path / 'state'}" in error["message"]
        assert "cannot be written" in error["message"]
        assert "network" not in json.dumps(error)
        assert "Traceback" not in err
    process = start(variables, "check_setup")
    (problem,) = json.loads(process.communicate(timeout=60)[0])["result"]["problems"]
    assert problem.startswith(f"read_only: The state folder {tmp_path / 'state'}")


@pytest.mark.anyio
async def test_request_that_breaks_off_leaves_the_world_as_it_was(tmp_path: Path) -> None:
    world, other = World(api_keys=["key"]), World(api_keys=["key"])
    files = [WorldFile(each, tmp_path / "kling.sqlite3") for each in (world, other)]
    async with files[0].request(may_change=True):
        world.add_element(world.account_of("key"), "Mia")
    with suppress(TimeoutError):
        async with files[0].request(may_change=True):
            world.add_element(world.account_of("key"), "Sara")
            raise TimeoutError
    for file, each in zip(files, (world, other), strict=True):
        async with file.request(may_change=False):
            assert [task.element_name for task in each.account_of("key").element_tasks] == ["Mia"]
