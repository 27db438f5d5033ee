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


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """`ask(KLING_API_KEY="...")`: what `check_setup` answers with these variables alone."""

    def command(**environ: str) -> Any:
        words = ["call", "check_setup", "--json"]
        code = cli.main(words, {"KLING_MCP_STATE_DIR": str(tmp_path / "state"), **environ})
        told = json.loads(capsys.readouterr().out)["result"]
        assert code == (0 if told["ok"] else 1)
        return told

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
    wrong = {"KLING_REGION": "mars", "KLING_MCP_READ_ONLY": "perhaps", "KLING_MCP_HTTP_TOKEN": "two words"}
    wrong |= {"KLING_MCP_TOOLSETS": "elemnts", "KLING_QQQQQQ": "1"}
    for options in ([], ["--transport", "http"]):
        code, out, err = check(*options, **wrong)
        assert (code, out) == (1, "")
        assert err.startswith("kling-mcp: Several settings are wrong:\n- ")
        told = report(check(*options, "--json", **wrong))
        for name in wrong:
            assert name in err
            assert sum(name in sentence for sentence in [*told["problems"], *told["notes"]]) == 1
        assert ("It counts as" in err) is not bool(options), "over http nothing counts as anything"


@pytest.mark.parametrize(
    "wrong",
    [
        ("KLING_MCP_TOOLSETS", "elemnts", "KLING_MCP_TOOLSETS names elemnts, which is not a toolset"),
        ("KLING_MCP_TOOLS", "fnd_elements", "KLING_MCP_TOOLS names fnd_elements, which is not a tool"),
        ("KLING_MCP_OUTPUT_DIR", "{file}/below", 'KLING_MCP_OUTPUT_DIR: "{file}/below" cannot be made or written to'),
        ("KLING_MCP_AUDIT_LOG", "{file}/below", "KLING_MCP_AUDIT_LOG: "),
        ("KLING_MCP_READONLY", "1", "did you mean KLING_MCP_READ_ONLY?"),
        ("KLING_MCP_WAIT_SECONDS", "abc", "KLING_MCP_WAIT_SECONDS must be a whole number"),
        ("KLING_MCP_MEDIA_DIRS", "{file}", "KLING_MCP_MEDIA_DIRS must list existing folders"),
        ("KLING_MCP_AUDIT_LOG", "audit.jsonl", "KLING_MCP_AUDIT_LOG must be the full path"),
        ("KLING_API_KEY", "another-key", "auth: code=1002"),
    ],
)
def test_check_and_check_setup_find_the_same_problems(
    check: Check, ask: Callable[..., Any], kling: str, tmp_path: Path, wrong: tuple[str, str, str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    name, value, words = (part.replace("{file}", str(file)) for part in wrong)
    environ = {"KLING_BASE_URL": kling, "KLING_API_KEY": API_KEY, name: value}
    code, out, err = check(**environ)
    assert (code, err) == (1, "")
    assert out.startswith(f"Asked {kling} (region global) with an API key.\n"), "Kling was asked all the same"
    found, asked = report(check("--json", **environ)), ask(**environ)
    assert asked["ok"] is False
    assert found["problems"] == asked["problems"]
    assert [words in problem for problem in asked["problems"]] == [True]
    assert f"Problem: {asked['problems'][0]}\n" in out


def test_unfilled_placeholder_of_an_optional_setting_is_a_note(
    check: Check, ask: Callable[..., Any], kling: str
) -> None:
    environ = {"KLING_BASE_URL": kling, "KLING_API_KEY": API_KEY, "KLING_MCP_WAIT_SECONDS": "${WAIT}"}
    code, out, err = check(**environ)
    assert (code, err) == (0, "")
    assert "Credentials, region, clock and network are fine.\n" in out
    assert "KLING_MCP_WAIT_SECONDS holds the placeholder ${WAIT}" in out
    found, asked = report(check("--json", **environ)), ask(**environ)
    assert asked["ok"]
    assert "KLING_MCP_WAIT_SECONDS holds the placeholder ${WAIT}" in found["notes"][0]
    assert found["notes"][0] in asked["notes"]


def test_check_and_check_setup_ask_the_same_address_in_the_sandbox(check: Check, ask: Callable[..., Any]) -> None:
    found, asked = report(check("--json", KLING_MCP_SANDBOX="1")), ask(KLING_MCP_SANDBOX="1")
    assert found["base_url"] == asked["base_url"] == "http://sandbox.invalid"


def test_looking_leaves_no_trace_in_the_output_folder(check: Check, kling: str, tmp_path: Path) -> None:
    environ = {"KLING_BASE_URL": kling, "KLING_API_KEY": API_KEY}
    for folder in (tmp_path, tmp_path / "results", tmp_path / "disk" / "results"):
        assert check(**environ, KLING_MCP_OUTPUT_DIR=str(folder))[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


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
