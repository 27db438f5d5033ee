"""Paths and clocks of Windows and macOS: devices, streams, disks without case, linked temporary folders, sleep."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import InputError
from kling_mcp.media.files import read_local
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.source import LocalPath, parse_source
from kling_mcp.results.names import free_stems, parse_save_as


@pytest.mark.parametrize(
    "path",
    [
        r"C:\pictures\NUL",
        r"C:\pictures\con.png",
        r"C:\pictures\Com1.tar.png",
        r"C:\pictures\lpt³ .png",
        r"C:\aux\mia.png",
        "pictures/prn",
        r"C:\pictures\mia.png:hidden",
        r"C:\pictures\mia.png::$DATA",
        r"pictures\mia.png:hidden",
        r"~\NUL",
    ],
)
def test_devices_and_streams_are_refused_on_windows(path: str) -> None:
    with pytest.raises(InputError, match="must name an ordinary file"):
        parse_source(path, "frontal_image", MediaPolicy(), windows=True)
    if "\\" not in path:
        assert parse_source(path, "frontal_image", MediaPolicy(), windows=False) == LocalPath(path)


@pytest.mark.parametrize(
    "path",
    [r"C:\pictures\console.png", r"C:\pictures\mia con.png", r"C:\null\x.png", r"C:\com10\x.png", r"C:\con air\x.png"],
)
def test_names_that_only_begin_like_devices_are_fine_on_windows(path: str) -> None:
    assert parse_source(path, "frontal_image", MediaPolicy(), windows=True) == LocalPath(path)


@pytest.mark.parametrize(
    ("given", "folders", "name"),
    [
        ("CON/nul.mp4", ("_CON",), "_nul.mp4"),
        (r"scenes\a.", ("scenes",), "a"),
        ("scenes /a . .", ("scenes",), "a"),
        ("scenes/a:hidden", ("scenes",), "a hidden"),
        ("a<b>|c?*", (), "a b c"),
    ],
)
def test_saved_names_are_names_on_every_system(given: str, folders: tuple[str, ...], name: str) -> None:
    found = parse_save_as(given)
    assert (found.folders, found.name) == (folders, name)


@pytest.mark.parametrize("given", [r"C:\films\a", r"\\nas\films\a", r"\\?\C:\a", "//nas/films/a", "c:a"])
def test_saved_names_never_lead_to_a_drive_or_a_share(given: str) -> None:
    with pytest.raises(InputError, match="not a full path"):
        parse_save_as(given)


@pytest.mark.parametrize("taken", ["MIA.PNG", "mia.JSON", "MIA.png"])
def test_result_never_takes_a_name_that_differs_in_case_alone(taken: str) -> None:
    assert next(free_stems("Mia", ".png", [taken])) == "Mia (2)"


def test_result_never_takes_a_name_that_differs_in_accents_written_apart() -> None:
    assert next(free_stems("Ame\u0301lie", ".png", ["Am\u00e9lie.png"])) == "Ame\u0301lie (2)"


def test_allowed_folder_in_another_case_is_found_where_the_disk_sees_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS keeps the case that is typed in a real path, but finds the same folder."""
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    (pictures / "mia.png").write_bytes(b"found")
    policy = MediaPolicy((pictures,))
    typed = str(tmp_path / "pictures" / "mia.png")
    with pytest.raises(InputError, match="inside the allowed folders"):
        read_local(typed, "frontal_image", policy)
    monkeypatch.setattr(Path, "samefile", lambda one, other: str(one).casefold() == str(other).casefold())
    assert read_local(typed, "frontal_image", policy) == b"found"


@pytest.mark.parametrize("typed_by", ["link", "real"])
@pytest.mark.parametrize("allowed_by", ["link", "real"])
def test_folder_behind_a_linked_temporary_folder_is_allowed_by_either_name(
    tmp_path: Path, allowed_by: str, typed_by: str
) -> None:
    """macOS: /tmp is a link to /private/tmp."""
    (tmp_path / "private" / "pictures").mkdir(parents=True)
    (tmp_path / "tmp").symlink_to(tmp_path / "private")
    (tmp_path / "private" / "pictures" / "mia.png").write_bytes(b"found")
    names = {"link": tmp_path / "tmp" / "pictures", "real": tmp_path / "private" / "pictures"}
    policy = MediaPolicy((names[allowed_by],))
    assert read_local(str(names[typed_by] / "mia.png"), "frontal_image", policy) == b"found"


@pytest.mark.parametrize("system", ["darwin", "linux"])
def test_steady_time_counts_the_sleep_of_the_computer(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """`time.monotonic` stops with the computer there; the clock that is asked goes on."""
    asleep = 0.0
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda _: 1000.0 + asleep, raising=False)
    clock = SystemClock()
    before = clock.steady()
    asleep = 3600.0
    assert clock.steady() == before + 3600.0
