"""`kling-mcp check` for programs, for reports of bugs, and for a server over http; test_cli.py has its sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY

from kling_mcp import cli
from kling_mcp._version import __version__
from kling_mcp.simulator import World, served_in_background

TOKEN = "a-token-for-callers-of-this-server"

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Check:
    """`check("--json", KLING_API_KEY="...")`: exit code, stdout and stderr, with these variables alone."""

    def command(*options: str, **environ: str) -> tuple[int, str, str]:
        code = cli.main(["check", *options], {"KLING_MCP_STATE_DIR": str(tmp_path / "state"), **environ})
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture(scope="module")
def kling() -> Iterator[str]:
    """A Kling that knows one key."""
    with served_in_background(World(api_keys=[API_KEY])) as url:
        yield url


def report(ran: tuple[int, str, str]) -> Any:
    """The object; stderr is empty, so that a person can paste what is shown."""
    code, out, err = ran
    assert err == ""
    told = json.loads(out)
    assert code == (0 if told["ok"] else 1)
    assert told["ok"] is not bool(told["problems"])
    return told


def test_json_holds_what_a_report_of_a_bug_needs_and_no_secret(check: Check, kling: str) -> None:
    told = report(check("--json", KLING_API_KEY=API_KEY, KLING_BASE_URL=kling))
    assert told["ok"]
    assert (told["version"], told["region"], told["base_url"]) == (__version__, "global", kling)
    assert (told["credential"], told["elements"], told["clock_skew_seconds"]) == ("api_key", 0, pytest.approx(0, abs=5))
    assert told["variables"] == ["KLING_API_KEY", "KLING_BASE_URL", "KLING_MCP_STATE_DIR"]
    assert all(told["packages"][name] for name in ("mcp", "httpx", "pydantic", "anyio", "PyJWT"))
    assert API_KEY not in json.dumps(told)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"KLING_API_KEY": "another-key"}, ["auth: code=1002"]),
        ({}, ["missing_credentials: No Kling credentials are set"]),
        ({"KLING_API_KEY": API_KEY, "KLING_MCP_READONLY": "1"}, ["did you mean KLING_MCP_READ_ONLY?"]),
        (
            {"KLING_REGION": "mars", "KLING_MCP_READ_ONLY": "perhaps"},
            ["KLING_REGION must be", "KLING_MCP_READ_ONLY must"],
        ),
    ],
)
def test_json_holds_every_problem(check: Check, kling: str, environ: dict[str, str], words: list[str]) -> None:
    told = report(check("--json", KLING_BASE_URL=kling, **environ))
    assert all(word in " ".join(told["problems"]) for word in words)


def test_variable_of_another_program_is_no_problem(check: Check, kling: str) -> None:
    told = report(check("--json", KLING_BASE_URL=kling, KLING_API_KEY=API_KEY, KLING_QQQQQQ="1"))
    assert told["ok"]
    assert "KLING_QQQQQQ is not a setting of kling-mcp." in told["notes"]


def test_misspelt_setting_fails_the_check(check: Check, kling: str) -> None:
    code, out, _ = check(KLING_BASE_URL=kling, KLING_API_KEY=API_KEY, KLING_MCP_MAX_UNITS_PER_DAI="8")
    assert code == 1
    assert "Problem: KLING_MCP_MAX_UNITS_PER_DAI is not a setting" in out


def test_wrong_settings_are_listed_together(check: Check) -> None:
    code, out, err = check(KLING_REGION="mars", KLING_MCP_READ_ONLY="perhaps", KLING_MCP_HTTP_TOKEN="two words")
    assert (code, out) == (1, "")
    assert err.startswith("kling-mcp: Several settings are wrong:\n- ")
    assert all(name in err for name in ("KLING_REGION", "KLING_MCP_READ_ONLY", "KLING_MCP_HTTP_TOKEN"))
    assert "It counts as" not in err, "over http nothing counts as anything"


def test_server_over_http_is_checked_without_a_key(check: Check) -> None:
    code, out, err = check("--transport", "http", KLING_MCP_HTTP_TOKEN=TOKEN, KLING_MCP_ALLOWED_HOSTS="k.example.com")
    assert (code, err) == (0, "")
    assert out.startswith("Callers over http sign in with a token, and bring their own Kling credentials.\n")
    assert "The settings for http are fine." in out
    assert TOKEN not in out


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"KLING_MCP_ALLOWED_HOSTS": "k.example.com"}, "KLING_MCP_HTTP_TOKEN or KLING_MCP_OAUTH_ISSUER"),
        ({"KLING_MCP_HTTP_TOKEN": TOKEN, "KLING_MCP_SHARED_ACCOUNT": "1"}, "it has none"),
        ({"KLING_MCP_OUTPUT_DIR": "{file}/below"}, "KLING_MCP_OUTPUT_DIR"),
        ({"KLING_MCP_STATE_DIR": "{file}"}, "KLING_MCP_STATE_DIR"),
    ],
)
def test_refusal_of_a_server_over_http_is_found_by_its_check(
    check: Check, tmp_path: Path, environ: dict[str, str], words: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    told = {name: value.format(file=file) for name, value in environ.items()}
    code, out, err = check("--transport", "http", **told)
    assert (code, out) == (1, "")
    assert words in err
    assert words in " ".join(report(check("--transport", "http", "--json", **told))["problems"])
