"""`kling-mcp call`: the tools of a chat from a shell; exit codes, envelope, consent, and the next command."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from helpers import API_KEY, CANARIES
from never_twice.real_server import Kling

from commands.conftest import LOOKS, Run, Terminal

PICTURE = ("generate_image", "prompt=@Mia smiles")


@pytest.fixture
def mia(kling: Kling) -> str:
    """An element named Mia; its id."""
    return kling.world.add_element(kling.world.account_of(API_KEY), "Mia", tags=("o_102",)).element_id


# --- results


def test_element_is_made_once_and_its_id_stays_a_string(run: Run, kling: Kling, pictures: tuple[str, ...]) -> None:
    first = run("create_element_and_wait", *LOOKS, *pictures, "--json")
    (element_id,) = first.envelope()["result"]["element_ids"]
    again = run("create_element_and_wait", *LOOKS, *pictures, "--json")
    held = again.envelope()
    assert (again.code, held["ok"], held["resume"]) == (0, True, "")
    assert held["result"]["element_ids"] == [element_id]
    assert held["result"]["outcome"] == "already_submitted"
    assert f'"{element_id}"' in again.out
    assert sum(kling.world.accepted_creations().values()) == 1


def test_text_is_the_default_and_progress_stays_on_stderr(run: Run, pictures: tuple[str, ...]) -> None:
    made = run("create_element_and_wait", *LOOKS, *pictures)
    assert made.code == 0
    assert made.out.startswith("Ready: element_ids=")
    assert made.err.splitlines()[0] == 'Checking "Mia"', "so far nothing was sent"


def test_synonyms_and_comma_lists_are_those_of_a_chat(run: Run, mia: str, pictures: tuple[str, ...]) -> None:
    found = run("find_elements", "search=mia", "tag=Character", "--json")
    assert found.code == 0
    (front, side) = (word.partition("=")[2] for word in pictures)
    words = ("name=Sara", "description=Guest", "type=photo", f"images={front}", f"images={side}")
    refused = run("create_element", *words)
    assert refused.code == 2
    assert "did you mean image_refer?" in refused.err
    assert run("use_elements", "names=Mia", "target=omni-video/kling-v3-omni").code == 0


def test_older_name_of_a_tool_is_answered(run: Run) -> None:
    assert "Nothing is unfinished" in run("wait_for_elements").out


def test_pictures_are_left_out_of_text_and_json(run: Run, mia: str) -> None:
    for words in ((), ("--json",)):
        shown = run("find_elements", "pictures=true", *words)
        assert shown.code == 0
        assert len(shown.out) < 2000


# --- arguments


def test_arguments_come_from_a_file_from_stdin_and_by_name(run: Run, mia: str, tmp_path: Path) -> None:
    file = tmp_path / "args.json"
    file.write_text(json.dumps({"prompt": "@Mia waves", "count": 2, "dry_run": True}), "utf-8")
    priced = run("generate_image", f"@{file}", "count=3", "--json")
    assert priced.code == 0, priced
    assert priced.envelope()["result"]["units_estimated"] == "24"
    typed = io.TextIOWrapper(io.BytesIO('{"prompt": "@Mia dances in Zürich", "dry_run": true}'.encode("utf-16")))
    assert "Zürich" in run("generate_image", "-", stdin=typed).out


def test_prompt_begins_with_an_element_and_may_hold_equals_signs(run: Run, mia: str) -> None:
    shown = run("generate_image", "prompt=@Mia holds a sign: 2+2=4", "dry_run=yes", "--json")
    assert shown.code == 0, shown
    assert "a sign: 2+2=4" in shown.envelope()["result"]["request"]


def test_single_shot_keeps_its_commas(run: Run, mia: str) -> None:
    shown = run("generate_video", "shots=5: @Mia waves, smiling, and leaves", "dry_run=true", "--json")
    assert "waves, smiling, and leaves" in shown.envelope()["result"]["request"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bake_element",), "must be a tool"),
        ((), "TOOL: must be a tool; got nothing"),
        (("find_element", "query=x"), "did you mean find_elements?"),
        (("generate_picture", "prompt=x"), "did you mean generate_image?"),
        (("make-movie",), "did you mean generate_video?"),
        (("find_elements", "Mia"), "must be name=value, @file or -; got a word without a name"),
        (("get_element", "Mia Otto"), "write 'id=Mia Otto'"),
        (("find_elements", "--query=Mia"), "write query=Mia"),
        (("generate_image", "--dry-run"), "write dry_run=true"),
        (("generate_image", "--save-as", "scene one"), "write 'save_as=scene one'"),
        (("find_elements", "@nowhere.json"), "No such file or directory"),
        (("find_elements", "-"), "no JSON at line 1 column 1"),
        (("find_elements", "[1]"), "must be name=value"),
        (("find_elements", "colour=red"), "an unknown name. Fix: leave it out"),
        (("generate_image", "prompt=x", "resolution=3k"), "resolution: must be one of 1k, 2k, 4k"),
        (("generate_image", "prompt=x", "aspect_ratio=5:3"), "aspect_ratio: must be one of 16:9"),
        (("generate_video", "prompt=x", "duration=2"), "duration: must be 3 to 15 whole seconds"),
        (("find_elements", "limit=many"), "limit: must be a whole number"),
        (("generate_image",), "prompt: must be given"),
        (("create_element", "element_name=Mia"), "element_description: must be given"),
        (("find_elements", "query=\udce9"), "bytes that are no characters"),
    ],
)
def test_wrong_use_has_a_code_of_its_own_in_text_and_json(run: Run, words: tuple[str, ...], said: str) -> None:
    if words:  # without any, the tools are listed
        refused = run(*words)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err
        assert refused.err.splitlines()[-1].startswith("kind=bad_input created=no retry=never")
    told = run(*words, "--json")
    assert (told.code, told.err) == (2, "")
    held = told.envelope()
    assert (held["ok"], held["error"]["kind"], held["resume"]) == (False, "bad_input", "")
    assert said in held["error"]["message"]


def test_element_that_does_not_exist_is_a_refusal_and_no_wrong_use(run: Run, mia: str) -> None:
    for words in (("generate_image", "prompt=@Miau smiles"), ("get_element", "id=Miau")):
        refused = run(*words)
        assert refused.code == 1
        assert refused.err.splitlines()[-1].startswith("kind=not_found")


def test_missing_picture_is_looked_for_from_the_working_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("generate_image", "prompt=x", "images=nowhere.png")
    assert refused.code == 2
    assert f'check the path; a relative one begins at the working directory, "{tmp_path}".' in refused.err
    assert "chat" not in refused.err


def test_tool_in_place_of_a_command_is_named_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    from kling_mcp import cli  # noqa: PLC0415 - only here without the fixture

    assert cli.main(["generate-image", "prompt=x"], {}) == 2
    assert capsys.readouterr().err == "kling-mcp: generate_image is a tool: write kling-mcp call generate_image\n"


def test_closed_stdin_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    from kling_mcp import cli  # noqa: PLC0415 - only here without the fixture

    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["call", "find_elements", "-"], environ) == 2


# --- refusals and settings


def test_refusal_exits_with_one_and_keeps_the_fields_of_the_error(run: Run) -> None:
    missing = run("get_element", "id=Nemo", "--json")
    assert missing.code == 1
    error = missing.envelope()["error"]
    assert (error["kind"], error["created"], error["retry"]) == ("not_found", "no", "never")
    assert (error["code"], error["request_id"]) == ("-", "-"), "as in the line for programs"
    assert run("get_element", "id=Nemo").err.splitlines()[-1].startswith("kind=not_found")


@pytest.mark.parametrize(
    ("changes", "tool"),
    [
        ({"KLING_MCP_READ_ONLY": "1"}, "create_element"),
        ({"KLING_MCP_SPENDING": "off"}, "generate_image"),
        ({"KLING_MCP_TOOLSETS": "elements"}, "find_voices"),
        ({"KLING_MCP_TOOLS": "get_element"}, "find_elements"),
    ],
)
def test_hidden_tool_names_the_setting_that_hides_it(run: Run, changes: dict[str, str], tool: str) -> None:
    (variable,) = changes
    refused = run(tool, "--json", **changes)
    assert refused.code == 1
    assert refused.envelope()["error"]["kind"] == "read_only"
    assert f"{tool} is switched off by the settings of this shell ({variable})" in refused.out
    assert f"Switched off here: {tool} ({variable})." in run("--help", **changes).out


def test_wrong_setting_stops_what_needs_it_and_check_setup_lists_it(run: Run) -> None:
    wrong = {"KLING_MCP_MAX_CREATES": "some"}
    assert run("find_elements", **wrong).code == 0
    checked = run("check_setup", "--json", **wrong)
    assert checked.code == 1
    assert "KLING_MCP_MAX_CREATES" in checked.envelope()["result"]["problems"][0]


def test_missing_credentials_are_named_and_no_answer_shows_a_secret(run: Run) -> None:
    missing = run("find_elements", KLING_API_KEY="")
    assert missing.code == 1
    assert "kind=missing_credentials" in missing.err
    shown = [run("check_setup"), run("find_elements", "--json"), run("--help")]
    assert not [canary for canary in CANARIES for ran in shown if canary in ran.out + ran.err]


def test_repeatable_refusal_has_the_same_command_as_its_next(run: Run, kling: Kling) -> None:
    kling.faults.reply_code(1303, times=None, route="list")
    busy = run("list_elements", "page_size=5", "--json")
    assert busy.code == 1
    held = busy.envelope()
    assert (held["error"]["retry"], held["error"]["code"]) == ("later", 1303)
    assert held["error"]["request_id"] not in {"", "-"}
    assert held["resume"] == "kling-mcp call list_elements page_size=5 --json"
    assert "To try again: kling-mcp call list_elements page_size=5" in run("list_elements", "page_size=5").err


def test_unknown_name_beside_values_that_cannot_be_right_is_wrong_use(run: Run, mia: str) -> None:
    wrong = run("generate_video", "prompt=@Nope waves", "duration=99")
    assert wrong.code == 2
    assert wrong.err.splitlines()[-1].startswith("kind=bad_input created=no retry=never")
    assert "- prompt: must be the exact name or the id of an element" in wrong.err
    assert "- duration: must be" in wrong.err
    alone = run("generate_video", "prompt=@Nope waves")
    assert (alone.code, alone.err.splitlines()[-1].split()[0]) == (1, "kind=not_found")


# --- consent


def test_price_comes_first_and_max_units_agrees_to_it(run: Run, mia: str, kling: Kling, tmp_path: Path) -> None:
    asked = run(*PICTURE)
    assert (asked.code, asked.out) == (1, "")
    assert "repeat the same command with max_units=8" in asked.err
    assert asked.err.splitlines()[-1].startswith("kind=needs_confirmation created=no")
    assert run(*PICTURE, "--json").envelope()["resume"] == "", "a program that goes on by itself pays nothing"
    dry = run(*PICTURE, "dry_run=true", "--json").envelope()
    assert dry["result"]["price"].startswith("8 image units ($0.028 at list price of ")
    assert "repeat the same command without dry_run and with max_units=8" in dry["result"]["next_step"]
    assert dry["resume"] == ""
    assert run(*PICTURE, "max_units=7").code == 1
    assert not kling.world.accepted_creations()
    made = run(*PICTURE, "max_units=8", "--json")
    assert made.code == 0, made
    (row,) = made.envelope()["result"]["files"]
    assert Path(row["path"]).parent == tmp_path / "results"
    assert run(*PICTURE).code == 0, "what is paid for is found without a price"
    assert sum(kling.world.accepted_creations().values()) == 1


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("y\n", 0), ("no\n", 1), ("\n", 1), ("", 1)])
def test_person_at_a_terminal_is_asked_and_decides(run: Run, mia: str, kling: Kling, typed: str, code: int) -> None:
    answered = run(*PICTURE, stdin=Terminal(typed))
    assert answered.code == code, answered
    assert "Make this picture for 8 image units" in answered.err
    assert "Type yes to go on:" in answered.err
    assert "Waiting for a person" not in answered.err
    assert sum(kling.world.accepted_creations().values()) == (code == 0)


def test_allowed_spending_asks_for_nothing(run: Run, mia: str) -> None:
    assert run(*PICTURE, KLING_MCP_SPENDING="allow").code == 0


# --- waits that run out


def test_wait_that_runs_out_exits_with_three_and_the_next_command(run: Run, mia: str, kling: Kling) -> None:
    kling.world.durations = lambda _kind, _rng: 1.5
    started = run(*PICTURE, "max_units=8", "wait_seconds=0", "save_as=scene one", "--json")
    assert started.code == 3, started
    held = started.envelope()
    task_id = held["result"]["task_id"]
    assert held["resume"] == f"kling-mcp call wait_for_tasks ids={task_id} --json"
    assert held["resume"] in held["result"]["next_step"]
    text = run(*PICTURE, "max_units=8", "wait_seconds=0")
    assert text.code == 3
    assert text.out.splitlines()[-1] == f"To go on: kling-mcp call wait_for_tasks ids={task_id}"
    done = run(*shlex.split(held["resume"])[2:])
    assert done.code == 0, done
    (file,) = done.envelope()["result"]["tasks"][0]["files"]
    assert "scene one" in file["path"]


def test_submitted_creation_is_still_running(run: Run, kling: Kling, pictures: tuple[str, ...]) -> None:
    kling.world.durations = lambda _kind, _rng: 60.0
    submitted = run("create_element", *LOOKS, *pictures, "--json")
    assert submitted.code == 3
    waited = run("wait_for_tasks", "wait_seconds=1", "--json")
    assert waited.code == 3
    task_id = submitted.envelope()["result"]["task_id"]
    assert waited.envelope()["resume"] == f"kling-mcp call wait_for_tasks ids={task_id} wait_seconds=1 --json"


def test_failed_task_exits_with_one_from_its_call_and_from_a_wait(
    run: Run, kling: Kling, pictures: tuple[str, ...]
) -> None:
    kling.faults.fail_task("the face is covered", times=None)
    failed = run("create_element_and_wait", *LOOKS, *pictures, "--json")
    assert failed.code == 1
    assert failed.envelope()["error"]["kind"] == "task_failed"
    (task,) = next(iter(kling.world.accounts.values())).element_tasks
    waited = run("wait_for_tasks", f"ids={task.task_id}", "--json")
    assert waited.code == 1
    assert waited.envelope()["result"]["tasks"][0]["task_status"] == "failed"


def test_request_that_is_being_sent_is_sent_to_its_end(run: Run, kling: Kling, pictures: tuple[str, ...]) -> None:
    kling.faults.delay(0.5, route="create")
    made = run("create_element", *LOOKS, *pictures, "--json", KLING_MCP_WAIT_SECONDS="0")
    assert made.code == 3, made
    assert made.envelope()["result"]["task_id"]
    assert len(kling.requests("create")) == 1


def test_production_that_leaves_out_a_shot_is_no_success(run: Run, pictures: tuple[str, ...], tmp_path: Path) -> None:
    front, side = (word.partition("=")[2] for word in pictures)
    cast = {"Mia": {"description": "Barista", "front": front, "others": [side]}}
    sheet = {"version": 1, "cast": cast, "shots": {"bad": "@Mia and @Ghost"}}
    (tmp_path / "sheet.json").write_text(json.dumps(sheet), "utf-8")
    plan_id = run("plan_production", f"path={tmp_path / 'sheet.json'}", "--json").envelope()["result"]["plan_id"]
    running = run("apply_production", f"plan_id={plan_id}", "wait_seconds=0")
    assert running.code == 3, running
    applied = run("apply_production", f"plan_id={plan_id}", "wait_seconds=30")
    assert applied.code == 1, applied
    assert "Left out: shot bad." in applied.out


def test_production_goes_on_with_the_same_call(
    run: Run, kling: Kling, pictures: tuple[str, ...], tmp_path: Path
) -> None:
    front, side = (word.partition("=")[2] for word in pictures)
    cast = {"Mia": {"description": "Barista", "front": front, "others": [side]}}
    (tmp_path / "sheet.json").write_text(json.dumps({"version": 1, "cast": cast}), "utf-8")
    kling.world.durations = lambda _kind, _rng: 2.0
    planned = run("plan_production", f"path={tmp_path / 'sheet.json'}", "--json")
    assert planned.code == 0, planned
    plan_id = planned.envelope()["result"]["plan_id"]
    applied = run("apply_production", f"plan_id={plan_id}", "wait_seconds=0", "--json")
    assert applied.code == 3, applied
    resume = applied.envelope()["resume"]
    assert resume == f"kling-mcp call apply_production plan_id={plan_id} wait_seconds=0 --json"
    done = run("apply_production", f"plan_id={plan_id}", "wait_seconds=30")
    assert done.code == 0, done
