"""Where thumbnails are kept: for their owner alone, account by account, and never without bound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache, ThumbnailCache

JPEG = b"\xff\xd8\xff of Mia"
OTHER = b"\xff\xd8\xff of Rex"


@pytest.fixture(params=["folder", "memory"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> ThumbnailCache:
    return FileThumbnailCache(tmp_path, "account") if request.param == "folder" else MemoryThumbnailCache()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", ["task 880000000000000101", "../../etc/passwd", "", "名前\ud800", "a" * 5000, "CON"])
def test_a_thumbnail_comes_back_under_any_key(cache: ThumbnailCache, key: str) -> None:
    assert cache.get(key) == b""
    cache.put(key, JPEG)
    assert cache.get(key) == JPEG
    assert cache.get(key + "x") == b""


def test_a_later_picture_takes_the_place_of_an_earlier_one(cache: ThumbnailCache) -> None:
    cache.put("mia", JPEG)
    cache.put("mia", OTHER)
    assert cache.get("mia") == OTHER


def test_thumbnail_files_stay_in_the_account_folder_and_are_private(tmp_path: Path) -> None:
    FileThumbnailCache(tmp_path / "state", "../../account").put("../../mia", JPEG)
    (kept,) = files(tmp_path)
    assert kept.parent.parent == tmp_path / "state" / "thumbnails"
    assert kept.stat().st_mode & 0o777 == 0o600
    for folder in (kept.parent, kept.parent.parent, kept.parent.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_accounts_do_not_see_each_others_pictures(tmp_path: Path) -> None:
    FileThumbnailCache(tmp_path, "one").put("mia", JPEG)
    assert FileThumbnailCache(tmp_path, "two").get("mia") == b""
    assert FileThumbnailCache(tmp_path, "one").get("mia") == JPEG


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff" + bytes(200_000)])
def test_a_file_that_is_no_thumbnail_of_ours_is_not_shown(tmp_path: Path, content: bytes) -> None:
    cache = FileThumbnailCache(tmp_path, "account")
    cache.put("mia", JPEG)
    files(tmp_path)[0].write_bytes(content)
    assert cache.get("mia") == b""


def test_a_folder_that_cannot_be_written_only_costs_the_thumbnail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "thumbnails").write_text("in the way")
    cache = FileThumbnailCache(tmp_path, "account")
    with caplog.at_level("INFO"):
        cache.put("mia", JPEG)
    assert cache.get("mia") == b""
    assert "could not be kept" in caplog.text


def test_a_thumbnail_that_cannot_take_its_place_leaves_no_draft_behind(tmp_path: Path) -> None:
    cache = FileThumbnailCache(tmp_path, "account")
    cache.put("mia", JPEG)
    kept = files(tmp_path)[0]
    kept.unlink()
    kept.mkdir()
    cache.put("mia", OTHER)
    assert files(tmp_path) == []


def test_the_oldest_thumbnails_go_when_the_folder_is_full(tmp_path: Path) -> None:
    full = FileThumbnailCache(tmp_path, "account", most=3)
    for number in range(6):
        full.put(f"element {number}", JPEG)
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    # Another process begins, and finds more than it wants to keep.
    FileThumbnailCache(tmp_path, "account", most=3).put("newest", OTHER)
    assert len(files(tmp_path)) == 3
    assert full.get("newest") == OTHER


def test_memory_forgets_the_first_when_it_is_full() -> None:
    cache = MemoryThumbnailCache(most=2)
    for name in ("first", "second", "first", "third"):
        cache.put(name, JPEG)
    assert [bool(cache.get(name)) for name in ("first", "second", "third")] == [True, False, True]
