"""KLING_MCP_STATE_URL: what it takes, that it is never shown, and that nothing of it is loaded without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import environ_with

from kling_mcp.errors import ConfigurationError
from kling_mcp.redact import redact_text
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.store.postgres.store import PostgresStore
from kling_mcp.store.sqlite import SqliteStore

URL = "postgresql://kling:pass%2Fword-CANARY@db.internal:5432/kling?sslmode=verify-full"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://db/kling",
        "postgresql://",
        "postgresql:///kling?host=/run/postgresql",
        "postgresql://kling@one:5432,two:5433/kling?target_session_attrs=any",
        "postgresql://kling:secret@[fd00::1]:5432/kling",
        "postgresql://db/kling?user=kling&password=a@b",
    ],
)
def test_addresses_of_postgresql_are_taken(url: str, tmp_path: Path) -> None:
    assert Settings.from_env({"KLING_MCP_STATE_URL": url}).state_url == url
    file = tmp_path / "url"
    file.write_text(f"{url}\n")
    assert Settings.from_env({"KLING_MCP_STATE_URL_FILE": str(file)}).state_url == url
    Runtime(Settings(state_url=url))  # opens nothing


@pytest.mark.parametrize(
    "url",
    [
        "mysql://kling:CANARY@db/kling",
        "CANARY",
        "postgresql:kling:CANARY",
        "postgresql://kling:pa/CANARY@db/kling",
        "postgresql://kling:CANARY?x@db/kling",
        "postgresql://kling:CANARY#x@db/kling",
        "postgresql://kling:CANARY@db:port/kling",
        "postgresql://kling:CANARY x@db/kling",
        '"postgresql://kling:CANARY@db/kling"',
        "postgresql://kling:${CANARY}@db/kling",
    ],
)
def test_state_url_of_another_kind_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"KLING_MCP_STATE_URL": url})
    assert "KLING_MCP_STATE_URL" in caught.value.message
    assert "CANARY" not in caught.value.for_caller()


def test_state_url_and_its_password_are_never_shown() -> None:
    settings = Settings(state_url=URL)
    assert "CANARY" not in repr(settings)
    said = f"could not reach {URL}: pass/word-CANARY and pass%2Fword-CANARY are wrong; psycopg.connect({URL!r})"
    assert "CANARY" not in redact_text(said, settings.secrets)
    other = Settings(state_url="postgresql://db/kling?user=kling&password=long-CANARY&sslmode=require")
    assert redact_text("it is long-CANARY", other.secrets) == "it is [hidden]"


def test_a_short_password_does_not_blot_out_the_log() -> None:
    settings = Settings(state_url="postgresql://kling:kling@db/kling")
    assert redact_text("kling_mcp works", settings.secrets) == "kling_mcp works"


def test_state_without_a_url_is_a_file_and_loads_no_driver(tmp_path: Path) -> None:
    program = """
import sys
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
runtime = Runtime(Settings(api_key="k"))
runtime.own_account()
assert not [name for name in sys.modules if name.startswith("psycopg")]
"""
    environ = environ_with(KLING_MCP_STATE_DIR=str(tmp_path))
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)


def test_state_url_without_the_driver_is_refused_in_a_sentence() -> None:
    program = f"""
import sys
sys.modules["psycopg"] = None  # as where it is not installed
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
try:
    Runtime(Settings(state_url={URL!r}))
except ConfigurationError as error:
    print(error.for_caller())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, env=environ_with(), capture_output=True, text=True
    )
    assert 'pip install "kling-mcp[postgres]"' in done.stdout
    assert "CANARY" not in done.stdout + done.stderr


def test_the_sandbox_keeps_its_state_in_memory_all_the_same() -> None:
    runtime = Runtime(Settings(sandbox=True, state_url=URL))
    assert isinstance(runtime.store, SqliteStore)
    assert runtime.state_location == "memory"


def test_shared_state_is_described_without_its_address() -> None:
    runtime = Runtime(Settings(api_key="k", state_url=URL))
    assert isinstance(runtime.store, PostgresStore)
    assert runtime.state_location == "the database of KLING_MCP_STATE_URL"
    # On another computer a process of the same number may live.
    assert runtime.owner.startswith(f"{runtime.store.computer}.")
