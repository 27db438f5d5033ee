"""What is looked at before a server over http lets callers in, each fault by the name of its variable."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from hosting.http_server import TOKEN
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.before import doubts, require_means
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings


def runtime_with(tmp_path: Path, **changes: Any) -> Runtime:
    return Runtime(Settings(**{"state_dir": tmp_path / "state", **changes}), transport="http")


def refusal(runtime: Runtime) -> str:
    with pytest.raises(ConfigurationError) as caught:
        require_means(runtime)
    return caught.value.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file where a folder should be: nothing can be made below it, whoever runs the tests."""
    path = tmp_path / "file"
    path.write_text("")
    return path


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        (lambda below: {"output_dir": below}, "KLING_MCP_OUTPUT_DIR"),
        (lambda below: {"state_dir": below}, "KLING_MCP_STATE_DIR"),
        (lambda below: {"hosting": HostingSettings(audit_log=below)}, "KLING_MCP_AUDIT_LOG"),
    ],
)
def test_place_that_cannot_be_made_is_refused_by_the_name_of_its_variable(
    tmp_path: Path, file: Path, changes: Any, variable: str
) -> None:
    said = refusal(runtime_with(tmp_path, **changes(file / "below")))
    assert said.startswith(f"{variable}: ")
    assert "below" in said
    assert said.count("cannot be made or written to") == 1


def test_places_that_cannot_be_made_are_refused_together(tmp_path: Path, file: Path) -> None:
    below = file / "below"
    hosting = HostingSettings(audit_log=below)
    said = refusal(runtime_with(tmp_path, output_dir=below, state_dir=below, hosting=hosting))
    assert [name in said for name in ("OUTPUT_DIR", "STATE_DIR", "AUDIT_LOG")] == [True, True, True]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    runtime = runtime_with(tmp_path, output_dir=tmp_path / "films" / "results")
    require_means(runtime)
    assert (tmp_path / "films" / "results").is_dir()
    assert runtime.audit is not None
    assert runtime.audit.path.read_bytes() == b""


def test_folder_for_results_is_not_looked_at_where_results_are_not_saved(tmp_path: Path, file: Path) -> None:
    require_means(runtime_with(tmp_path, output_dir=file / "below", read_only=True))
    require_means(runtime_with(tmp_path, output_dir=False))


def test_full_disk_does_not_keep_a_server_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have room by the time that something is saved; until then the calls say it."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    runtime = runtime_with(tmp_path)
    monkeypatch.setattr("os.mkdir", full)
    require_means(runtime)


def test_shared_account_needs_an_account(tmp_path: Path) -> None:
    runtime = runtime_with(tmp_path, shared_account=True, hosting=HostingSettings(token=TOKEN))
    assert "it has none: set" in refusal(runtime)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"api_key": "k"}, ["each caller brings its own"]),
        ({"api_key": "k", "shared_account": True}, []),
        (
            {"hosting": HostingSettings(public_url="https://kling.example.com", allowed_hosts=("other.example.com",))},
            ["does not hold"],
        ),
        (
            {
                "hosting": HostingSettings(
                    public_url="https://kling.example.com", allowed_hosts=("kling.example.com:443",)
                )
            },
            [],
        ),
    ],
)
def test_settings_that_were_probably_not_meant_are_named(changes: dict[str, Any], said: list[str]) -> None:
    found = doubts(Settings(**changes))
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))
