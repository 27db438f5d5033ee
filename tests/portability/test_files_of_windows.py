"""Files as Windows treats them: results, locks and thumbnails although no open file is moved, replaced or removed."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from kling_mcp.concurrency.shared_files import replace_file
from kling_mcp.errors import StorageError
from kling_mcp.media.long_paths import extended
from kling_mcp.production.lock import lock_path, read_lock, update_lock
from kling_mcp.production.model import LockedElement
from kling_mcp.results.folder import Folder, is_same_path
from kling_mcp.results.part import Part, claim, remove_abandoned
from kling_mcp.thumbnails.cache import FileThumbnailCache
from portability.windows import needs_descriptors, play_windows

CLIP = b"a clip\n"
PIP = LockedElement(element_id="829836802793406551", element_name="Pip")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    play_windows(monkeypatch)


def part_of(folder: Folder, key: str = "ab") -> Part:
    part = claim(folder, key, 0.0)
    assert part is not None
    return part


def refuse_links(*_: object, **__: object) -> None:
    """As a disk with exFAT does: WinError 1."""
    raise OSError(errno.EINVAL, "Incorrect function")


@needs_descriptors
@pytest.mark.usefixtures("windows")
class TestParts:
    @pytest.mark.parametrize("has_links", [True, False], ids=["NTFS", "exFAT"])
    def test_result_is_published_and_leaves_no_part(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
    ) -> None:
        if not has_links:
            monkeypatch.setattr(os, "link", refuse_links)
        with Folder.output(tmp_path, by_handle=False) as folder:
            part = part_of(folder)
            part.write(CLIP)
            part.publish(folder, "x.mp4")
            part.close()
        assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]
        assert (tmp_path / "x.mp4").read_bytes() == CLIP

    @pytest.mark.parametrize("has_links", [True, False], ids=["NTFS", "exFAT"])
    def test_result_replaces_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
        if not has_links:
            monkeypatch.setattr(os, "link", refuse_links)
        (tmp_path / "x.mp4").write_text("mine")
        with Folder.output(tmp_path, by_handle=False) as folder:
            part = part_of(folder)
            part.write(CLIP)
            with pytest.raises(FileExistsError):
                part.publish(folder, "x.mp4")
            part.publish(folder, "x (2).mp4")
            part.close()
        assert (tmp_path / "x.mp4").read_text() == "mine"
        assert (tmp_path / "x (2).mp4").read_bytes() == CLIP

    def test_part_is_claimed_by_one_until_it_is_closed(self, tmp_path: Path) -> None:
        with Folder.output(tmp_path, by_handle=False) as folder:
            part = part_of(folder)
            assert claim(folder, "ab", 0.0) is None
            remove_abandoned(folder, 10**10)
            assert claim(folder, "ab", 10**10) is None
            part.close()
            part_of(folder).close()
        assert list(tmp_path.iterdir()) == []

    def test_part_of_an_ended_process_is_removed(self, tmp_path: Path) -> None:
        with Folder.output(tmp_path, by_handle=False) as folder:
            part = part_of(folder)
            os.close(part._file)
            remove_abandoned(folder, 0.0)
        assert list(tmp_path.iterdir()) == []


@needs_descriptors
@pytest.mark.usefixtures("windows")
class TestReplacing:
    @pytest.fixture
    def lock(self, tmp_path: Path) -> Path:
        """A lock file with one entry."""
        path = lock_path(tmp_path / "episode.yaml")
        update_lock(path, cast={"Pip": PIP}, now=0.0)
        return path

    def test_lock_file_is_replaced_when_its_reader_closes_it(self, lock: Path) -> None:
        pauses: list[float] = []
        with lock.open("rb") as reader:

            def pause(seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == 3:
                    reader.close()

            update_lock(lock, cast={"Mia": PIP}, now=0.0, pause=pause)
        assert set(read_lock(lock).cast) == {"Pip", "Mia"}
        assert len(pauses) == 3

    def test_lock_file_that_stays_open_is_an_error_and_stays_whole(self, lock: Path) -> None:
        pauses: list[float] = []
        with lock.open("rb"), pytest.raises(StorageError, match="being used"):
            update_lock(lock, cast={"Mia": PIP}, now=0.0, pause=pauses.append)
        assert set(read_lock(lock).cast) == {"Pip"}
        assert [path.name for path in lock.parent.iterdir()] == [lock.name]
        assert 1 < sum(pauses) < 3

    def test_thumbnail_that_is_being_read_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = FileThumbnailCache(tmp_path, "account")
        old, new = b"\xff\xd8\xffold", b"\xff\xd8\xffnew\n"
        cache.put("1", old)
        [path] = tmp_path.rglob("*.jpg")
        monkeypatch.setattr(time, "sleep", lambda _: None)
        with path.open("rb"):
            cache.put("1", new)
            assert cache.get("1") == old
        cache.put("1", new)
        assert cache.get("1") == new
        assert list(tmp_path.rglob("*.part")) == []


def test_refusal_is_final_where_open_files_are_no_hindrance() -> None:
    pauses: list[float] = []

    def refuse() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        replace_file(refuse, pauses.append)
    assert pauses == []


@pytest.mark.parametrize(
    ("kind", "real", "same"),
    [
        (PureWindowsPath, r"C:\Videos\Scenes", True),
        (PureWindowsPath, r"D:\Elsewhere", False),
        (PurePosixPath, r"C:\Videos\Scenes", False),
    ],
)
def test_folder_in_another_case_is_a_link_except_on_windows(kind: type[PurePath], real: str, same: bool) -> None:
    assert is_same_path(real, r"c:\videos\scenes", kind) is same


DEEP = "\\".join(["a" * 60] * 5)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (r"C:\Videos\x.mp4", r"C:\Videos\x.mp4"),
        (rf"C:\Videos\{DEEP}\x.mp4", rf"\\?\C:\Videos\{DEEP}\x.mp4"),
        (f"C:/Videos/{DEEP}/x.mp4", rf"\\?\C:\Videos\{DEEP}\x.mp4"),
        (rf"\\nas\films\{DEEP}\x.mp4", rf"\\?\UNC\nas\films\{DEEP}\x.mp4"),
        (rf"\\?\C:\Videos\{DEEP}\x.mp4", rf"\\?\C:\Videos\{DEEP}\x.mp4"),
        (rf"Videos\{DEEP}\x.mp4", rf"Videos\{DEEP}\x.mp4"),
    ],
    ids=["short", "long", "slashes", "share", "extended", "relative"],
)
def test_long_paths_of_windows_take_the_form_without_a_limit(path: str, named: str) -> None:
    assert extended(path, windows=True) == named
    assert extended(path, windows=False) == path
