"""How this very installation is started, and which of its settings a block holds: never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environ_with
from readings import secret_variables

import kling_mcp
from kling_mcp.clients.server import Installation, this_server
from kling_mcp.settings.given import given_settings

KEY = "a-real-key-of-somebody"
MODULE = (os.path.abspath(sys.executable), ("-m", "kling_mcp"))  # noqa: PTH100 - links are kept


def script_in(folder: Path) -> str:
    """A script as installers make it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kling-mcp").touch()
    return str(folder / "kling-mcp")


def test_installed_script_is_named_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = script_in(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    for started_as in (script, "bin/kling-mcp"):
        found = this_server({}, Installation(started_as))
        assert (found.command, found.args) == (script, ())


def test_script_with_the_ending_of_windows_is_found(tmp_path: Path) -> None:
    (tmp_path / "kling-mcp.exe").touch()
    assert this_server({}, Installation(str(tmp_path / "kling-mcp"))).command == str(tmp_path / "kling-mcp.exe")


@pytest.mark.parametrize("started_as", ["", "-c", "/usr/lib/python3/kling_mcp/__main__.py", "/no/such/kling-mcp"])
def test_module_is_started_with_the_interpreter_that_runs(started_as: str) -> None:
    found = this_server({}, Installation(started_as))
    assert (found.command, found.args) == MODULE
    assert "PYTHONPATH" not in found.env


def test_package_that_is_not_installed_is_found_by_its_folder() -> None:
    found = this_server({}, Installation("", package="no-such-distribution"))
    assert found.env["PYTHONPATH"] == str(Path(kling_mcp.__file__).parents[1])


CACHES = ["/home/me/.cache/uv/archive-v0/Xy_1-z", "/home/me/Library/Caches/uv/environments-v2/kling-mcp-1f"]


@pytest.mark.parametrize("prefix", CACHES)
def test_installation_that_uvx_made_is_started_by_uvx(prefix: str, tmp_path: Path) -> None:
    """Its folder may be gone tomorrow. The package here is one that came from an index."""
    running = Installation(f"{prefix}/bin/anyio", prefix, "anyio")
    uvx = tmp_path / "uvx"
    uvx.touch(mode=0o755)
    for environ in ({"PATH": str(tmp_path)}, {"PATH": "", "UV": str(tmp_path / "uv")}):
        found = this_server(environ, running)
        assert (found.command, found.args) == (str(uvx), ("anyio",))
    assert this_server({"PATH": ""}, running).command == "uvx"


def test_shared_state_needs_the_extra_of_the_package() -> None:
    environ = {"KLING_MCP_STATE_URL": "postgresql://me:secret@host/kling"}
    found = this_server(environ, Installation("", CACHES[0], "anyio"))
    assert found.args == ("--from", "anyio[postgres]", "kling-mcp")
    assert found.env["KLING_MCP_STATE_URL"] == "<your state database>"


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (None, ""),
        ({"url": "file:///home/me/kling%20mcp", "dir_info": {"editable": True}}, "/home/me/kling mcp"),
        (
            {"url": "https://me:token@git.example.com/kling", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git+https://git.example.com/kling@abc",
        ),
        ({"url": "https://example.com/kling_mcp.whl", "archive_info": {}}, "https://example.com/kling_mcp.whl"),
    ],
)
def test_package_that_came_from_elsewhere_is_fetched_from_there_again(
    record: dict[str, object] | None, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "somewhere_else-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somewhere-else\nVersion: 1.0\n")
    if record is not None:
        (info / "direct_url.json").write_text(json.dumps(record))
    monkeypatch.syspath_prepend(tmp_path)
    wanted = ("--from", source, "kling-mcp") if source else ("somewhere-else",)
    assert this_server({}, Installation("", CACHES[0], "somewhere-else")).args == wanted


# --- settings


def test_settings_that_are_set_are_part_of_it_and_blanks_are_not() -> None:
    environ = {"KLING_REGION": "china", "KLING_MCP_SANDBOX": "1", "KLING_MCP_TOOLS": " ", "HOME": "/home/me"}
    assert this_server(environ).env == {"KLING_REGION": "china", "KLING_MCP_SANDBOX": "1"}


def test_field_that_a_desktop_client_left_blank_is_not_set() -> None:
    assert this_server({"KLING_REGION": "${user_config.region}"}).env == {"KLING_API_KEY": "<your API key>"}


def test_settings_of_the_http_server_are_left_out() -> None:
    environ = {"KLING_MCP_HTTP_TOKEN": "t" * 40, "KLING_MCP_PUBLIC_URL": "https://kling.example.com"}
    assert this_server(environ).env == {"KLING_API_KEY": "<your API key>"}


def test_unknown_and_wrong_settings_do_not_stop_it() -> None:
    environ = {"KLING_API_KYE": "x", "KLING_MCP_WAIT_SECONDS": "soon", "KLING_MCP_SANDBOX": "1"}
    assert this_server(environ).env == {"KLING_MCP_WAIT_SECONDS": "soon", "KLING_MCP_SANDBOX": "1"}


def test_key_pair_has_two_placeholders() -> None:
    found = this_server({"KLING_ACCESS_KEY": "half-one", "KLING_SECRET_KEY": "half-two"})
    assert found.env == {"KLING_ACCESS_KEY": "<your access key>", "KLING_SECRET_KEY": "<your secret key>"}
    assert set(found.secrets) == set(found.env)


def test_file_of_a_key_is_named_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(KEY)
    monkeypatch.chdir(tmp_path)
    found = this_server({"KLING_API_KEY_FILE": "key"})
    assert found.env == {"KLING_API_KEY_FILE": str(tmp_path / "key")}
    assert found.secrets == ()


def test_key_in_place_of_the_path_of_its_file_is_not_shown() -> None:
    found = this_server({"KLING_API_KEY_FILE": KEY})
    assert KEY not in str(found)
    assert "KLING_API_KEY_FILE" in found.secrets


def test_address_with_a_password_is_not_shown() -> None:
    assert "sesame" not in str(this_server({"KLING_BASE_URL": "https://me:sesame@kling.example.com"}))


@pytest.mark.parametrize("name", sorted(secret_variables()))
def test_secret_is_never_part_of_a_block(name: str) -> None:
    assert KEY not in str(this_server({name: KEY}))
    assert KEY not in str(given_settings({name: KEY}))


def test_block_of_this_installation_starts_it() -> None:
    found = this_server({"KLING_MCP_SANDBOX": "1"})
    version = subprocess.run(
        [found.command, *found.args, "--version"], env=environ_with(**found.env), capture_output=True, check=True
    )
    assert version.stdout.startswith(b"kling-mcp ")
