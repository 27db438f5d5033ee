"""`kling-mcp production` as a shell runs it: exit codes, consent without a terminal, progress apart from the result.

In this process, in front of a simulated Kling behind a real socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY
from never_twice.real_server import Kling
from skipped_time import skip_waits

from kling_mcp import cli
from kling_mcp.simulator import served_in_background
from production.episodes import Episode

pytestmark = pytest.mark.usefixtures("logging_as_before")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Ran]


@pytest.fixture
def kling() -> Kling:
    return Kling()


@pytest.fixture
def episode(tmp_path: Path) -> Episode:
    folder = tmp_path / "episode"
    folder.mkdir()
    made = Episode(folder)
    made.add("Mia", "Sara")
    made.film("kitchen", "@Mia dances with @Sara")
    made.save()
    return made


@pytest.fixture
def command(
    kling: Kling, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    skip_waits(kling.world, monkeypatch)
    with served_in_background(kling.world, kling.faults) as url:
        environ = {
            "KLING_BASE_URL": url,
            "KLING_API_KEY": API_KEY,
            "KLING_MCP_MEDIA_DIRS": str(tmp_path),
            "KLING_MCP_STATE_DIR": str(tmp_path / "state"),
            "KLING_MCP_OUTPUT_DIR": str(tmp_path / "results"),
        }

        def run(*words: str, **changes: str) -> Ran:
            code = cli.main(["production", *words], environ | changes)
            out, err = capsys.readouterr()
            return Ran(code, out, err)

        yield run


def result_of(done: Ran) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_sheet_is_planned_applied_once_and_then_done(
    command: Command, episode: Episode, kling: Kling, tmp_path: Path
) -> None:
    sheet = str(episode.path)
    planned = command("plan", sheet)
    assert (planned.returncode, planned.stderr) == (4, "")
    assert "create Mia, Sara: no element has this name" in planned.stdout
    step = f"To carry it out, if the person agrees to this price: kling-mcp production apply {sheet} --max-units 3"
    assert planned.stdout.splitlines()[-1] == step

    resume = result_of(command("plan", sheet, "--json"))["resume"]
    assert resume.endswith("episode.json --json"), "it agrees to no price"
    unsaved = command("plan", sheet, KLING_MCP_OUTPUT_DIR="off").stdout
    assert "kitchen: Results are not saved here (KLING_MCP_OUTPUT_DIR is off)" in unsaved

    refused = command("apply", sheet)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--max-units 3" in refused.stderr
    assert command("apply", sheet, "--max-units", "2").returncode == 1
    assert kling.world.accepted_creations() == {}

    applied = command("apply", sheet, "--max-units", "3", "--json")
    assert applied.returncode == 0, applied.stderr
    assert [row["status"] for row in result_of(applied)["result"]["entries"]] == ["ready"] * 3
    assert "3 of 3 done" in applied.stderr
    assert (tmp_path / "results" / "episode" / "kitchen.mp4").stat().st_size > 0
    for action in ("plan", "apply"):
        again = command(action, sheet)
        assert again.returncode == 0, again.stdout
    assert sum(kling.world.accepted_creations().values()) == 3


def test_wait_that_runs_out_exits_with_three_and_the_next_command(
    command: Command, episode: Episode, kling: Kling
) -> None:
    kling.world.durations = lambda _kind, _rng: 60.0
    running = command("apply", str(episode.path), "--max-units", "3", "--wait-seconds", "0", "--json")
    assert running.returncode == 3, running.stdout
    assert result_of(running)["resume"] == f"kling-mcp production apply {episode.path} --max-units 3 --json"


def test_failure_and_wrong_use_have_codes_of_their_own(command: Command, episode: Episode, kling: Kling) -> None:
    kling.faults.fail_task("the face is covered", times=None)
    failed = command("apply", str(episode.path), "--part", "cast")
    assert failed.returncode == 1
    assert "the face is covered" in failed.stdout
    missing = command("plan", str(episode.path.with_name("nowhere.yaml")), "--json")
    assert missing.returncode == 2
    assert result_of(missing)["error"]["kind"] == "bad_input"
    assert command("plan").returncode == 2
    assert command("apply", str(episode.path), "--max-units", "many").returncode == 2


@pytest.mark.parametrize("action", ["plan", "apply"])
def test_sheet_with_a_problem_is_wrong_use_and_has_the_line_for_programs(
    command: Command, episode: Episode, action: str
) -> None:
    episode.path.write_text('{"version": 1, "shotz": {}}', "utf-8")
    told = command(action, str(episode.path))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("One problem with the input:\n- line 1, shotz: must be one of the keys")
    assert told.stderr.splitlines()[-1] == "kind=bad_input created=no retry=never code=- request_id=-"


def test_error_that_may_pass_comes_with_the_same_command(command: Command, episode: Episode, kling: Kling) -> None:
    sheet = str(episode.path)
    kling.faults.reply_status(503, times=None)
    told = command("plan", sheet, "--require", "Mia", "--json")
    assert (told.returncode, result_of(told)["resume"]) == (
        1,
        f"kling-mcp production plan {sheet} --require Mia --json",
    )
    exported = command("export", str(episode.path.with_name("new.yaml")), "--tag", "Character", "--query", "red hair")
    *_, again, last = exported.stderr.splitlines()
    assert again == (
        f"To try again: kling-mcp production export {episode.path.with_name('new.yaml')} --tag Character "
        "--query 'red hair'"
    )
    assert "retry=later" in last or "retry=now" in last


def test_required_name_that_does_not_exist_fails_a_check(command: Command, episode: Episode) -> None:
    episode.shots = {}
    episode.save()
    assert command("apply", str(episode.path)).returncode == 0
    assert command("plan", str(episode.path), "--require", "Mia").returncode == 0
    told = command("plan", str(episode.path), "--require", "Nemo")
    assert told.returncode == 1
    assert "missing Nemo" in told.stdout


def test_library_becomes_a_sheet_that_needs_nothing_more(command: Command, episode: Episode, tmp_path: Path) -> None:
    assert command("apply", str(episode.path), "--part", "cast").returncode == 0
    sheet, ids = tmp_path / "library.yaml", tmp_path / "ids.json"
    exported = command("export", str(sheet))
    assert exported.returncode == 0, exported.stderr
    assert command("plan", str(sheet)).returncode == 0
    assert command("export", str(ids), "--name", "Mia", "--name", "Nemo").returncode == 1
    assert json.loads(ids.read_text("utf-8")) == {"Mia": episode.ids()["Mia"]}
    assert command("plan", str(ids)).returncode == 4
    assert command("export", str(sheet)).returncode == 2
    assert command("export", "library.txt").returncode == 2


def test_shot_that_is_left_out_is_named_before_and_after(command: Command, episode: Episode) -> None:
    episode.film("bad", "@Mia and @Ghost")
    sheet = episode.save()
    first = "Correct the sheet first (1 missing), and plan again."
    step = f"Applying this one leaves out shot bad. Only if the person wants that: kling-mcp production apply {sheet}"
    planned = command("plan", sheet)
    assert planned.returncode == 4
    assert planned.stdout.splitlines()[-1] == f"{first} {step} --max-units 3"
    as_json = result_of(command("plan", sheet, "--json"))
    assert (as_json["resume"], as_json["result"]["next_step"]) == ("", f"{first} {step} --max-units 3 --json")

    for _ in range(2):  # made now, made before
        applied = command("apply", sheet, "--max-units", "3")
        assert applied.returncode == 1
        assert '- shot bad take 1: not_started; It is left out: no element is named "Ghost".' in applied.stdout
        assert applied.stdout.splitlines()[-1] == f"Left out: shot bad. {first}"
    assert command("plan", sheet).stdout.splitlines()[-1] == first
    told = result_of(command("apply", sheet, "--json"))["result"]
    assert (told["ready"], told["not_started"], told["next_step"]) == (3, 2, f"Left out: shot bad. {first}")


def test_plan_for_shots_alone_says_how_to_make_the_cast(command: Command, episode: Episode) -> None:
    planned = command("plan", str(episode.path), "--part", "shots")
    assert planned.returncode == 1
    assert planned.stdout.splitlines()[-1].endswith("plan with --part all to make those that shots need.")


def test_required_name_that_was_just_made_is_no_failure(command: Command, episode: Episode) -> None:
    applied = command("apply", str(episode.path), "--require", "Mia", "--max-units", "3")
    assert applied.returncode == 0, applied.stdout
    assert applied.stdout.splitlines()[-1] == "Everything is done."


def test_allowed_spending_needs_no_number_and_switched_off_spending_refuses(command: Command, episode: Episode) -> None:
    off = command("apply", str(episode.path), KLING_MCP_SPENDING="off")
    assert off.returncode == 1
    assert "KLING_MCP_SPENDING" in off.stderr
    assert command("apply", str(episode.path), KLING_MCP_SPENDING="allow").returncode == 0
