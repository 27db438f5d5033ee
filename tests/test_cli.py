"""The command line: what each word does, the sentence on stderr when it cannot, and the exit code."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from helpers import ACCESS_KEY, API_KEY, CANARIES, SECRET_KEY
from processes import AS_A_JOB, COMMAND, environ_with

from kling_mcp import cli
from kling_mcp._version import __version__
from kling_mcp.simulator import World, served_in_background

LONG_SECRET = SECRET_KEY * 2  # real ones have 32 characters; the library that signs warns of shorter ones
ANYWHERE = "0.0.0.0"  # noqa: S104 - what must be refused
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("check", KLING_API_KEY="...")`: one command in this process, with these variables alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def command(*argv: str, **environ: str) -> Ran:
        code = cli.main(argv, environ)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return command


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """The commands configure logging and keep stdout for the protocol, for good; here it ends with the test."""
    root = logging.getLogger()
    handlers, level, stdout = list(root.handlers), root.level, os.dup(1)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    os.dup2(stdout, 1)
    os.close(stdout)


@pytest.fixture(scope="module")
def kling() -> Iterator[str]:
    """A Kling on a port of this computer, which knows the canary credentials."""
    with served_in_background(World(api_keys=[API_KEY], key_pairs={ACCESS_KEY: LONG_SECRET})) as url:
        yield url


# --- words and exit codes


def test_version_option_prints_the_version(run: Run) -> None:
    assert run("--version") == Ran(0, f"kling-mcp {__version__}\n", "")


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(word in ran.out for word in ("serve", "demo", "check", "simulate"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["bake"], "'bake'"),
        (["serve", "--transport", "carrier-pigeon"], "carrier-pigeon"),
        (["serve", "--port", "65536"], "'65536' is not a port"),
        (["serve", "--port", "-1"], "'-1' is not a port"),
        (["simulate"], "--port"),
        (["simulate", "--port", "0", "--host", ANYWHERE], ANYWHERE),
        (["simulate", "--port", "0", "--key-pair", "only-half:"], "ACCESS:SECRET"),
    ],
)
def test_wrong_usage_is_explained_with_exit_code_2(run: Run, argv: list[str], said: str) -> None:
    ran = run(*argv)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


# --- settings that cannot be right


BAD_SETTINGS = pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"KLING_ACCESS_KEY": "half"}, "KLING_SECRET_KEY"),
        ({"KLING_SECRET_KEY": "half"}, "KLING_ACCESS_KEY"),
        ({"KLING_API_KEY": "${KLING_API_KEY}"}, "KLING_API_KEY"),
        ({"KLING_API_KEY": '"quoted"'}, "KLING_API_KEY"),
        ({"KLING_API_KEY": "two words"}, "KLING_API_KEY"),
        ({"KLING_API_KEY": "Bearer abc"}, "KLING_API_KEY"),
        ({"KLING_API_KEY": JWT}, "KLING_API_KEY"),
        ({"KLING_API_KEY_FILE": "/nowhere/key"}, "KLING_API_KEY_FILE"),
        ({"KLING_REGION": "mars"}, "KLING_REGION"),
        ({"KLING_BASE_URL": "http://api.example.com"}, "KLING_BASE_URL"),
        ({"KLING_MCP_LOG_LEVEL": "loud"}, "KLING_MCP_LOG_LEVEL"),
        ({"KLING_MCP_WAIT_SECONDS": "soon"}, "KLING_MCP_WAIT_SECONDS"),
    ],
)


@pytest.mark.parametrize("command", [["serve", "--transport", "http"], ["check"]], ids=" ".join)
@BAD_SETTINGS
def test_bad_settings_refuse_to_start_and_name_the_variable(
    run: Run, command: list[str], environ: dict[str, str], named: str
) -> None:
    ran = run(*command, **environ)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("kling-mcp: ")
    assert command == ["check"] or ran.err.count("\n") == 1  # a check lists what else is wrong
    assert named in ran.err
    assert JWT not in ran.err


def test_unknown_tool_name_refuses_to_start_over_http(run: Run) -> None:
    ran = run("serve", "--transport", "http", KLING_MCP_TOOLS="get_element,bake_element")
    assert ran.code == 1
    assert "KLING_MCP_TOOLS names bake_element" in ran.err


@pytest.mark.parametrize("command", [[], ["serve"]], ids=" ".join)
@BAD_SETTINGS
def test_bad_settings_start_over_stdio_and_the_log_names_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], environ: dict[str, str], named: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    ran = run(*command, **environ)
    assert (ran.code, ran.out) == (0, "")
    assert named in ran.err
    assert JWT not in ran.err


@pytest.mark.parametrize(
    "environ",
    [{"KLING_MCP_TOOLS": "get_element,bake_element"}, {"KLING_MCP_TOOL": "get_element"}, {"KLING_MCP_STATE_DIR": "x"}],
)
def test_odd_setting_starts_over_stdio_with_a_line_in_the_log(
    run: Run, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    ran = run(**environ)
    assert ran.code == 0
    assert next(iter(environ)) in ran.err


# --- serve


class Terminal(io.TextIOWrapper):
    """Somebody's terminal as stdin, at which this was typed."""

    def __init__(self, typed: str = "") -> None:
        super().__init__(io.BytesIO(typed.encode()), "utf-8")

    def isatty(self) -> bool:
        return True


def test_bare_command_serves_stdio_until_stdin_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert run() == Ran(0, "", "")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "KLING_MCP_OUTPUT_DIR must be the full path"),
        (["--output-dir", "films"], ""),
        (["--output-dir", "~/films"], ""),
        (["--output-dir", "OFF"], ""),
        (["--output-dir", "$FILMS/new"], "KLING_MCP_OUTPUT_DIR holds the placeholder"),
    ],
)
def test_output_folder_of_the_command_line_replaces_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str], named: str
) -> None:
    """A relative one begins at the working directory, as a shell means it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    ran = run("serve", *options, KLING_MCP_OUTPUT_DIR="films")
    assert (ran.code, ran.out, bool(ran.err)) == (0, "", bool(named))
    assert named in ran.err


def test_stdio_at_a_terminal_explains_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    ran = run("serve")
    assert ran.code == 0
    assert ran.out == ""
    assert "kling-mcp demo" in ran.err


@pytest.mark.parametrize("host", [ANYWHERE, "192.168.1.7", "example.com", "::"])
def test_http_is_not_served_to_other_computers_without_names_and_a_way_to_sign_in(run: Run, host: str) -> None:
    ran = run("serve", "--transport", "http", "--host", host)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert f"--host {host} opens this server to other computers" in ran.err
    assert "KLING_MCP_ALLOWED_HOSTS" in ran.err
    assert "KLING_MCP_HTTP_TOKEN" in ran.err


@pytest.mark.parametrize("command", [["serve", "--transport", "http"], ["simulate"]], ids=" ".join)
def test_taken_port_is_one_sentence(run: Run, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run(*command, "--port", port)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert port in ran.err
    assert "choose another" in ran.err


# --- check


@pytest.mark.parametrize(
    ("environ", "credential"),
    [
        ({"KLING_API_KEY": API_KEY}, "an API key"),
        ({"KLING_ACCESS_KEY": ACCESS_KEY, "KLING_SECRET_KEY": LONG_SECRET}, "an access key and a secret key"),
    ],
)
def test_check_says_that_all_is_right(run: Run, kling: str, environ: dict[str, str], credential: str) -> None:
    first, ran = (run("check", KLING_BASE_URL=kling, **environ) for _ in range(2))
    assert "was made at this start" in first.out
    assert ran.code == 0, ran
    assert ran.out.splitlines() == [
        f"Asked {kling} (region global) with {credential}.",
        "Credentials, region, clock and network are fine.",
        "Elements in your library: 0.",
    ]
    assert ran.err == ""


def test_check_counts_a_full_first_page(run: Run, tmp_path: Path) -> None:
    world = World(any_api_key=True, durations=lambda _kind, _rng: 0.0)
    with served_in_background(world) as url, httpx.Client(base_url=url, headers={"Authorization": "Bearer k"}) as shop:
        for number in range(30):
            element = {
                "element_name": f"n{number}",
                "element_description": "d",
                "reference_type": "video_refer",
                "element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]},
            }
            assert shop.post("/v1/general/advanced-custom-elements", json=element).json()["code"] == 0
        ran = run("check", KLING_BASE_URL=url, KLING_API_KEY="k", KLING_MCP_STATE_DIR=str(tmp_path))
    assert "Elements in your library: 30 on the first page; there are more.\n" in ran.out


def test_check_fails_where_nothing_can_be_recorded(run: Run, kling: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    ran = run("check", KLING_BASE_URL=kling, KLING_API_KEY=API_KEY, KLING_MCP_STATE_DIR=str(tmp_path / "state"))
    assert ran.code == 1
    assert "Problem: read_only: The state folder" in ran.out


def test_check_knows_the_sandbox(run: Run, tmp_path: Path) -> None:
    ran = run("check", KLING_MCP_SANDBOX="1", KLING_MCP_STATE_DIR=str(tmp_path))
    assert ran.code == 0
    assert ran.out.startswith("Asked the built-in simulator with no credentials.\n")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"KLING_API_KEY": "another-key"}, "auth: code=1002"),
        ({"KLING_ACCESS_KEY": ACCESS_KEY, "KLING_SECRET_KEY": LONG_SECRET[::-1]}, "auth: code=1000"),
    ],
)
def test_check_names_the_problem_and_never_the_secret(run: Run, kling: str, environ: dict[str, str], said: str) -> None:
    ran = run("check", KLING_BASE_URL=kling, **environ)
    assert ran.code == 1
    assert f"Problem: {said}" in ran.out
    assert "are fine" not in ran.out
    assert not any(secret in ran.out + ran.err for secret in (*CANARIES, *environ.values()))


def test_check_without_credentials_says_what_to_set(run: Run) -> None:
    ran = run("check")
    assert ran.code == 1
    assert "KLING_API_KEY" in ran.err


class Gone(io.StringIO):
    """A pipe whose reader has had enough, as behind `| head -1`."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_reader_that_leaves_early_gets_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    ran = run("check", KLING_MCP_SANDBOX="1", KLING_MCP_STATE_DIR=str(tmp_path))
    assert (ran.code, ran.err) == (1, "")


# --- the simulator, as a process


@pytest.fixture
def simulator() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts `kling-mcp simulate` with these options and gives the process and its address."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, starter: Sequence[str] = ()) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*starter, *COMMAND, "simulate", "--port", "0", *options],
            env=environ_with(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        found = re.search(r"KLING_BASE_URL=(http://127\.0\.0\.1:\d+) (.+)", said)
        assert found is not None, said
        assert found[2] == ("and the credentials you gave" if "--api-key" in options else "KLING_API_KEY=any")
        return process, found[1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


Simulate = Callable[..., tuple[subprocess.Popen[str], str]]


def _list(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    reply = httpx.get(f"{url}/v1/general/advanced-custom-elements", headers=headers)
    return int(reply.json()["code"])


@pytest.mark.parametrize("starter", [[], AS_A_JOB], ids=["in front", "as a job"])
def test_simulator_lets_every_key_in_and_ends_quietly_with_ctrl_c(simulator: Simulate, starter: list[str]) -> None:
    process, url = simulator(starter=starter)
    assert _list(url, "whatever") == 0
    assert httpx.get(f"{url}/_simulator/state").status_code != 200, "no control without --control"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")


def test_simulator_with_keys_refuses_others_and_does_not_repeat_the_keys(simulator: Simulate) -> None:
    process, url = simulator("--control", "--api-key", API_KEY, "--key-pair", f"{ACCESS_KEY}:{SECRET_KEY}")
    assert _list(url, API_KEY) == 0
    assert _list(url, "another") == 1002
    assert httpx.get(f"{url}/_simulator/state").status_code == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")


def test_simulator_takes_bodies_up_to_the_given_size(simulator: Simulate) -> None:
    headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
    body = b"{" + b" " * 100_000
    for options, status in (((), 400), (("--max-body-bytes", "100000"), 413)):
        _, url = simulator(*options)
        assert (
            httpx.post(f"{url}/v1/general/advanced-custom-elements", content=body, headers=headers).status_code
            == status
        )


def test_relative_folder_in_a_deleted_working_directory_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main(["serve", "--output-dir", "pictures"], {}) == 1
    assert "--output-dir 'pictures' is relative to a folder that is gone; give a full path" in capsys.readouterr().err
