"""Nothing but protocol on stdout, and no secret in any line of the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from helpers import CANARIES

from kling_mcp.errors import ConfigurationError
from kling_mcp.observability.logs import HIDDEN, configure_logging, hide_secrets
from kling_mcp.settings import Settings

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhY2Nlc3MifQ.c2lnbmF0dXJl-_"


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


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("key is CANARY+/x", f"key is {HIDDEN}"),
        ("address has CANARY%2B%2Fx", f"address has {HIDDEN}"),
        ("longer one: CANARY+/x-and-more.", f"longer one: {HIDDEN}."),
        (r'{"key": "quo\"te"}', f'{{"key": "{HIDDEN}"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("(b'authorization', b'bearer abc')", f"(b'authorization', b'bearer {HIDDEN}')"),
        (f"token {JWT}, renewed", f"token {HIDDEN}, renewed"),
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", f"secret {HIDDEN}"),
        ("x-kling-api-key: abc", f"x-kling-api-key: {HIDDEN}"),
        ("(b'X-Kling-Secret-Key', b'abc')", f"(b'X-Kling-Secret-Key', b'{HIDDEN}')"),
        ("'x-kling-access-key': 'abc', 'other': 'kept'", f"'x-kling-access-key': '{HIDDEN}', 'other': 'kept'"),
        ("version 1.2.3 of eyes.only is fine", "version 1.2.3 of eyes.only is fine"),
    ],
)
def test_what_is_a_secret_or_looks_like_one_is_hidden(line: str, safe: str) -> None:
    assert hide_secrets(line, ["CANARY+/x", "CANARY+/x-and-more", 'quo"te', ""]) == safe


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
    for level, lines in (("INFO", 0), ("DEBUG", 1), ("INFO", 0)):
        configure_logging(level)  # type: ignore[arg-type] # three of the literals
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


@pytest.mark.parametrize(("said", "form"), [("", "text"), ("TEXT", "text"), ("Json", "json")])
def test_form_of_the_log_is_chosen(said: str, form: str) -> None:
    assert Settings.from_env({"KLING_MCP_LOG_FORMAT": said}).log_format == form


def test_unknown_form_of_the_log_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="KLING_MCP_LOG_FORMAT must be text or json"):
        Settings.from_env({"KLING_MCP_LOG_FORMAT": "xml"})
