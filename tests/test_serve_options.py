"""Folders on the command line of `serve`, as people and as hosts of bundles write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kling_mcp.cli import _build_parser, main
from kling_mcp.commands.serve_options import serve_environ
from kling_mcp.settings import Settings

BLANK = "${user_config.media_dirs}"


def environ_of(*argv: str, **environ: str) -> dict[str, str]:
    """The environment that the settings are read from."""
    return dict(serve_environ(_build_parser().parse_args(["serve", *argv]), environ))


def media_dirs(*argv: str, **environ: str) -> tuple[Path, ...] | None:
    return Settings.from_env(environ_of(*argv, **environ), tolerant=True).media_dirs


def test_media_folders_may_be_repeated_or_stand_behind_one_option(tmp_path: Path) -> None:
    names = ("one", "two", "with space")
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
    one, two, third = map(str, folders)
    assert media_dirs("--media-dir", one, "--media-dir", two, third) == tuple(folders)
    assert media_dirs("--media-dir", one, two, third, "--output-dir", "off") == tuple(folders)


def test_media_folders_of_the_command_line_replace_the_variable(tmp_path: Path) -> None:
    assert media_dirs("--media-dir", str(tmp_path), KLING_MCP_MEDIA_DIRS=os.sep) == (tmp_path,)


def test_relative_media_folder_begins_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert media_dirs("--media-dir", "pictures") == (tmp_path / "pictures",)


@pytest.mark.parametrize("argv", [["--media-dir"], ["--media-dir", ""], ["--media-dir", BLANK]])
def test_blank_media_folder_counts_as_unset(argv: list[str]) -> None:
    assert environ_of(*argv) == {}
    assert environ_of(*argv, KLING_MCP_MEDIA_DIRS="pictures") == {"KLING_MCP_MEDIA_DIRS": "pictures"}


def test_placeholder_of_another_program_allows_no_local_file() -> None:
    assert media_dirs("--media-dir", "${PICTURES}") == ()


@pytest.mark.usefixtures("logging_as_before")
def test_missing_folder_of_the_option_names_the_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    serve = ["serve", "--transport", "http", "--media-dir"]
    assert main([*serve, missing], {}) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"kling-mcp: --media-dir must be an existing folder; {missing!r} is not one.")
    assert main([*serve, BLANK], {"KLING_MCP_MEDIA_DIRS": missing}) == 1
    assert capsys.readouterr().err.startswith("kling-mcp: KLING_MCP_MEDIA_DIRS must list existing folders")


def test_blank_output_folder_of_a_host_counts_as_unset() -> None:
    assert environ_of("--output-dir", "${user_config.output_dir}") == {}
