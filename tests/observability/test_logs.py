"""Nothing but protocol on stdout, and no secret in any line of the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from helpers import CANARIES

from kling_mcp.errors import ConfigurationError
from kling_mcp.observability.logs import MAX_RECORD_CHARACTERS, configure_logging
from kling_mcp.redact import HIDDEN
from kling_mcp.settings import Settings
from kling_mcp.settings.environment import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is global: what a test changes must end with it."""
    root = logging.getLogger()
    names = ("httpx", "httpcore", "httpx2", "httpcore2", "PIL")
    before = root.level, list(root.handlers), {name: logging.getLogger(name).level for name in names}
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def test_message_arguments_and_traceback_hold_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", CANARIES)
    library = logging.getLogger("some.library")
    library.info("in the message %s", CANARIES[0])
    library.info({"in": CANARIES[1]})
    try:
        int(f"in the exception {CANARIES[2]}")
    except ValueError:
        library.exception("it failed")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count(HIDDEN) == 3
    assert "Traceback" in err
    assert not any(canary in err for canary in CANARIES)


def test_second_call_replaces_the_first(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG")
    configure_logging("WARNING")
    logging.getLogger("kling_mcp").info("not shown")
    logging.getLogger("kling_mcp").warning("shown once")
    assert capfd.readouterr().err.count("\n") == 1


def test_requests_of_the_http_library_are_logged_at_debug_alone(capfd: pytest.CaptureFixture[str]) -> None:
    levels: list[tuple[LogLevel, int]] = [("INFO", 0), ("DEBUG", 1), ("INFO", 0)]
    for level, lines in levels:
        configure_logging(level)
        logging.getLogger("httpx").info("HTTP Request: GET ...")
        assert capfd.readouterr().err.count("\n") == lines


def test_json_lines_hold_the_same_and_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", CANARIES, "json")
    library = logging.getLogger("some.library")
    library.info('a "quoted" line\nof two, with %s', CANARIES[0])
    try:
        int(f"in the exception {CANARIES[1]}")
    except ValueError:
        library.exception("it failed")
    out, err = capfd.readouterr()
    first, second = (json.loads(line) for line in err.splitlines())
    assert (first["level"], first["logger"]) == ("INFO", "some.library")
    assert first["message"] == f'a "quoted" line\nof two, with {HIDDEN}'
    assert "error" not in first
    assert second["error"].startswith("Traceback")
    assert second["error"].endswith(f"'in the exception {HIDDEN}'")
    assert not [canary for canary in CANARIES if canary in out + err]


@pytest.mark.parametrize("form", ["text", "json"])
def test_long_record_is_cut_and_the_cut_leaves_no_part_of_a_secret(
    capfd: pytest.CaptureFixture[str], form: LogFormat
) -> None:
    configure_logging("INFO", CANARIES, form)
    text = "x" * (MAX_RECORD_CHARACTERS - len(CANARIES[0]) + 1) + CANARIES[0] + "y" * 100_000
    logging.getLogger("some.library").info("%s", text)
    line = capfd.readouterr().err
    message = json.loads(line)["message"] if form == "json" else line.rstrip("\n")
    assert len(line) < MAX_RECORD_CHARACTERS + 200
    assert message.endswith("characters)")
    assert CANARIES[0][:4] not in line


@pytest.mark.parametrize(("said", "form"), [("", "text"), ("TEXT", "text"), ("Json", "json")])
def test_form_of_the_log_is_chosen(said: str, form: str) -> None:
    assert Settings.from_env({"KLING_MCP_LOG_FORMAT": said}).log_format == form


def test_unknown_form_of_the_log_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="KLING_MCP_LOG_FORMAT must be text or json"):
        Settings.from_env({"KLING_MCP_LOG_FORMAT": "xml"})
