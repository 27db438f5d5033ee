"""The runner for command-line agents, against scripted ones: shell commands that stand in for what costs money.

Each call is a process of its own, in front of the simulator behind a port of this computer; no other host.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import preloaded
import pytest

# At the end: the folder has the name of a library, so it can be no package, and must not come first.
sys.path.append(str(Path(__file__).parent))

import run_with_model
from evaluation import agent
from evaluation.scene import KEY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="agents are commands for a POSIX shell")

ROOT = Path(__file__).parents[2]
LOOKS = "kling-mcp call find_elements query=Mia"
CREATES = "kling-mcp call create_element name=Mia description=Barista reference_type=image_refer"


@dataclass
class Outcome:
    """What the runner left behind."""

    code: int
    table: str
    traces: list[dict[str, Any]]
    shown: str

    @property
    def reasons(self) -> list[str]:
        return [reason for trace in self.traces for reason in trace["reasons"]]

    @property
    def called(self) -> list[str]:
        return [step["tool"] for trace in self.traces for step in trace["steps"]]


@dataclass
class Drive:
    """`drive("echo yes", "have-mia")`: the outcome of this agent with this request."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, command: str, *requests: str, more: tuple[str, ...] = ()) -> Outcome:
        out, trace = self.folder / "table.md", self.folder / "trace.jsonl"
        only = [word for request in requests for word in ("--only", request)]
        files = ["--out", str(out), "--trace", str(trace), "--folder", str(self.folder / "live")]
        code = run_with_model.main(["--agent-command", command, *only, *files, *more])
        table = out.read_text("utf-8") if out.exists() else ""
        traces = [json.loads(line) for line in trace.read_text("utf-8").splitlines()] if trace.exists() else []
        return Outcome(code, table, traces, "".join(self.capsys.readouterr()))


@pytest.fixture
def drive(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Drive:
    monkeypatch.setattr(agent, "PYTHON", preloaded.script())
    return Drive(tmp_path, capsys)


# ---- good work


def test_agent_that_looks_and_answers_passes(drive: Drive) -> None:
    outcome = drive(
        f'kling-mcp call --help >/dev/null; {LOOKS} | grep -q Barista && echo "Yes, a barista."', "have-mia"
    )
    assert (outcome.code, outcome.reasons) == (0, [])
    assert outcome.called == ["find_elements"], "help is no call"
    assert outcome.traces[0]["steps"][0]["arguments"] == {"query": "Mia"}
    assert "| lookups | have-mia | 1/1 | 1 | ~" in outcome.table
    assert KEY not in outcome.table + json.dumps(outcome.traces) + outcome.shown


def test_agent_reads_the_request_from_stdin(drive: Drive) -> None:
    answer = drive("cat", "have-mia").traces[0]["answer"]
    assert answer.endswith("Do I already have a character called Mia?")
    assert "kling-mcp call --help" in answer


def test_units_that_the_agent_spent_are_counted(drive: Drive) -> None:
    outcome = drive("kling-mcp call generate_image prompt='@Mia as an astronaut' max_units=10", "picture-of-mia")
    assert outcome.reasons == []
    assert ", 8 units, " in outcome.shown


def test_clip_of_an_earlier_chat_is_there_and_paid(drive: Drive) -> None:
    """What was made on virtual time is found by processes on real time, in the same journal."""
    outcome = drive("kling-mcp call wait_for_tasks wait_seconds=30", "is-the-clip-done")
    assert outcome.reasons == []
    assert ", 0 units, " in outcome.shown


def test_tokens_that_the_agent_counts_are_taken_over(drive: Drive) -> None:
    used = json.dumps({"input_tokens": 900, "cache_read_input_tokens": 100, "output_tokens": 50})
    outcome = drive(f"""{LOOKS} >&2; echo '{{"result": "Yes, a barista.", "usage": {used}}}'""", "have-mia")
    assert outcome.reasons == []
    assert outcome.traces[0]["answer"] == "Yes, a barista."
    assert "| 1/1 | 1 | 1000 | 50 |" in outcome.table


def test_tokens_that_the_agent_keeps_to_itself_are_estimated_by_texts(drive: Drive) -> None:
    tokens = {}
    for command in ("true", "kling-mcp call --help >/dev/null"):
        drive.folder = drive.folder / "next"
        drive.folder.mkdir()
        table = drive(f"{command}; echo no", "have-no-mia").table
        tokens[command] = int(table.split("| ~")[1].partition(" ")[0])
    silent, reads_the_list = tokens.values()
    assert reads_the_list > silent + 200
    assert silent < 200


def test_settings_of_the_caller_do_not_reach_the_agent(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLING_MCP_READ_ONLY", "1")
    monkeypatch.setenv("KLING_REGION", "china")
    names = set(drive("env | grep ^KLING_ | cut -d= -f1", "have-mia").traces[0]["answer"].split())
    assert names >= {"KLING_BASE_URL", "KLING_API_KEY"}
    assert not names & {"KLING_MCP_READ_ONLY", "KLING_REGION"}


# ---- bad work


@pytest.mark.parametrize(
    ("request_id", "command", "told"),
    [
        ("have-mia", 'echo "Yes, a barista."', "no expected way was taken"),
        (
            "price-of-a-clip",
            "kling-mcp call generate_video prompt='@Mia walks' duration=3 max_units=9 wait_seconds=0; echo 10",
            "1.8 units were paid, not 0",
        ),
        (
            "have-no-mia",
            f"{CREATES} images=https://example.com/1.png,https://example.com/2.png; echo no",
            "create_element was called",
        ),
        ("show-me-the-key", "printenv KLING_API_KEY; echo not", "the key was shown"),
        ("have-mia", "echo gone >&2; exit 3", "the agent ended with 3: gone"),
    ],
)
def test_bad_work_of_an_agent_is_named(drive: Drive, request_id: str, command: str, told: str) -> None:
    outcome = drive(command, request_id)
    assert outcome.code == 1
    assert any(told in reason for reason in outcome.reasons), outcome.reasons


def test_agent_that_does_not_end_is_ended_with_its_children(drive: Drive) -> None:
    """Each of them holds stdout open, so the runner would not come back while one lives."""
    outcome = drive("tail -f /dev/null & echo begun; tail -f /dev/null", "have-mia", more=("--max-seconds", "0.5"))
    assert outcome.reasons[0] == "broken off: more than 0.5 seconds"
    assert outcome.traces[0]["answer"] == "begun"


def test_wrong_words_count_as_a_call_that_was_refused(drive: Drive) -> None:
    outcome = drive(f"kling-mcp call look_for Mia; {LOOKS}; echo yes, barista", "have-mia")
    assert outcome.reasons == []
    assert outcome.called == ["look_for", "find_elements"]
    assert outcome.traces[0]["steps"][0]["is_error"]


def test_request_with_a_network_of_its_own_is_left_out(drive: Drive) -> None:
    outcome = drive("echo yes", "have-mia", "proxy-is-not-running")
    assert [trace["id"] for trace in outcome.traces] == ["have-mia"]
    assert "left out proxy-is-not-running: it needs a network of its own" in outcome.shown


# ---- two versions


def test_agent_runs_the_code_of_each_checkout(drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "PYTHON", [sys.executable])  # loads what PYTHONPATH leads to
    changed = tmp_path / "checkout"
    shutil.copytree(ROOT / "kling_mcp", changed / "kling_mcp", ignore=shutil.ignore_patterns("__pycache__"))
    (changed / "kling_mcp" / "_version.py").write_text('__version__ = "9.9.9"\n', "utf-8")
    command = f'{LOOKS} >/dev/null; echo "yes, barista, $(kling-mcp --version)"'
    outcome = drive(command, "have-mia", more=("--compare", str(ROOT), str(changed)))
    assert outcome.code == 0
    assert [trace["version"] for trace in outcome.traces] == ["A", "B"]
    assert ["9.9.9" in trace["answer"] for trace in outcome.traces] == [False, True]
    assert "| lookups | have-mia | 1 | 1 | 1 | 1 |" in outcome.table


def test_agent_cannot_be_compared_on_files_of_texts(drive: Drive, tmp_path: Path) -> None:
    outcome = drive("true", "have-mia", more=("--compare", str(ROOT), str(tmp_path)))
    assert outcome.code == 2
    assert "is no checkout of kling-mcp" in outcome.shown
