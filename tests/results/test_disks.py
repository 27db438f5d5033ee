"""Disks and systems that lack something: hard links, locks, or work relative to an open folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_mcp.results.folder import Folder, NotInsideError
from kling_mcp.results.part import Part, claim, remove_abandoned
from results.stand import clip, described, results, saver, storing, visible, whole

pytestmark = pytest.mark.anyio

CLIP = clip(3000)
DAY = 24 * 3600.0


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def part_of(folder: Folder, key: str = "ab", now: float = 0.0) -> Part:
    part = claim(folder, key, now)
    assert part is not None
    return part


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
async def test_disk_without_hard_links_takes_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """FAT, exFAT, and some network shares."""
    monkeypatch.setattr(os, "link", failing(code))
    async with storing(whole(CLIP)) as store:
        made = saver(store, tmp_path)
        rows = [(await made.save(results(store), described(task_id=task, save_as="x")))[0] for task in "112"]
    assert [Path(row.path).name for row in rows] == ["x.mp4", "x.mp4", "x (2).mp4"]
    assert visible(tmp_path) == ["x (2).json", "x (2).mp4", "x.json", "x.mp4"]
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "x (2).mp4").read_bytes() == CLIP


def test_publishing_without_hard_links_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    (tmp_path / "x.mp4").write_text("mine")
    with Folder.output(tmp_path) as root:
        part = part_of(root)
        part.write(CLIP)
        with pytest.raises(FileExistsError):
            part.publish(root, "x.mp4")
        monkeypatch.setattr(os, "replace", failing(errno.ENOSPC))
        with pytest.raises(OSError, match="space"):
            part.publish(root, "y.mp4")
        part.close()
    assert visible(tmp_path) == ["x.mp4"]
    assert (tmp_path / "x.mp4").read_text() == "mine"


@pytest.mark.parametrize("taken", ["x.json", "x.mp4"])
async def test_name_that_is_taken_at_the_last_moment_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    link: Callable[..., None] = os.link

    def late(source: str, target: str, **where: int) -> None:
        if target == taken:
            (tmp_path / taken).write_text("mine")
        link(source, target, **where)

    monkeypatch.setattr(os, "link", late)
    async with storing(whole(CLIP)) as store:
        (row,) = await saver(store, tmp_path).save(results(store), described(save_as="x"))
    assert Path(row.path).name == "x (2).mp4"
    assert visible(tmp_path) == sorted([taken, "x (2).json", "x (2).mp4"])
    assert (tmp_path / taken).read_text() == "mine"


async def test_failure_at_the_last_step_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link: Callable[..., None] = os.link

    def full(source: str, target: str, **where: int) -> None:
        if target == "x.mp4":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target, **where)

    monkeypatch.setattr(os, "link", full)
    async with storing(whole(CLIP)) as store:
        (row,) = await saver(store, tmp_path).save(results(store), described(save_as="x"))
    assert row.error is not None
    assert (row.error.kind, visible(tmp_path)) == ("limit", [])


@pytest.mark.skipif(sys.platform == "win32", reason="it locks in another way")
class TestWithoutLocks:
    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import fcntl  # noqa: PLC0415 - does not exist on Windows

        monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))

    async def test_results_are_saved_once_each(self, tmp_path: Path) -> None:
        async with storing(whole(CLIP)) as store:
            for _ in range(2):
                (row,) = await saver(store, tmp_path).save(results(store), described(save_as="x"))
            assert len(store.asked) == 1
        assert Path(row.path).name == "x.mp4"
        assert visible(tmp_path) == ["x.json", "x.mp4"]

    async def test_process_that_was_slower_finds_the_result(self, tmp_path: Path) -> None:
        async with storing(whole(CLIP)) as store:
            inner = saver(store, tmp_path)

            async def faster(ask: object) -> None:
                store.answers = [whole(CLIP)]
                await inner.save(results(store), described(save_as="x"))
                await whole(CLIP)(ask)  # type: ignore[arg-type] # the request that was asked first

            store.answers = [faster, whole(CLIP)]
            (row,) = await saver(store, tmp_path).save(results(store), described(save_as="x"))
        assert Path(row.path).name == "x.mp4"
        assert visible(tmp_path) == ["x.json", "x.mp4"]

    def test_parts_are_apart_and_removed_after_a_day(self, tmp_path: Path) -> None:
        with Folder.output(tmp_path) as root:
            parts = [part_of(root), part_of(root)]
            assert len(visible(tmp_path)) == 2
            written = (tmp_path / visible(tmp_path)[0]).stat().st_mtime
            remove_abandoned(root, written + DAY - 60)
            assert len(visible(tmp_path)) == 2
            remove_abandoned(root, written + DAY + 60)
            assert visible(tmp_path) == []
            for part in parts:
                part.close()


@pytest.mark.parametrize("by_handle", [True, False], ids=["by-handle", "by-path"])
class TestFolder:
    """Windows cannot work relative to an open folder, so there the real path is compared."""

    def test_folders_are_made_and_entered(self, tmp_path: Path, by_handle: bool) -> None:
        with (
            Folder.output(tmp_path / "films", by_handle=by_handle) as root,
            root.descend(["a", "b"], make=True) as inner,
        ):
            part = part_of(root)
            part.write(CLIP)
            part.publish(inner, "x.mp4")
            part.close()
            assert inner.path == tmp_path / "films" / "a" / "b"
            assert (inner.has_file("x.mp4"), inner.is_folder("x.mp4"), root.is_folder("a")) == (True, False, True)
            assert [(entry.name, entry.is_folder) for entry in root.entries(".json")] == [("a", True)]
            assert (root.names(), inner.names()) == (["a"], ["x.mp4"])
            assert inner.device == root.device
            assert inner.about("y.mp4") is None
            inner.remove("y.mp4")
        assert visible(tmp_path) == ["films/a/b/x.mp4"]

    @pytest.mark.parametrize(("name", "what"), [("link", "a link"), ("loop", "a link"), ("file", "a file")])
    def test_link_and_file_are_no_folders(self, tmp_path: Path, by_handle: bool, name: str, what: str) -> None:
        films = tmp_path / "films"
        films.mkdir()
        (films / "link").symlink_to(tmp_path)
        (films / "loop").symlink_to(films / "loop")
        (films / "file").write_text("mine")
        with Folder.output(films, by_handle=by_handle) as root:
            for make in (False, True):
                with pytest.raises(NotInsideError) as caught:
                    root.descend([name, "x"], make=make)
                assert caught.value.what == what
            with pytest.raises(FileNotFoundError):
                root.enter("none")

    def test_output_folder_itself_may_be_a_link(self, tmp_path: Path, by_handle: bool) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "films").symlink_to(tmp_path / "disk")
        with Folder.output(tmp_path / "films", by_handle=by_handle) as root, root.enter("a", make=True):
            assert (tmp_path / "disk" / "a").is_dir()

    def test_claim_is_held_by_one_at_a_time(self, tmp_path: Path, by_handle: bool) -> None:
        with Folder.output(tmp_path, by_handle=by_handle) as root:
            part = part_of(root)
            assert claim(root, "ab", 0.0) is None
            remove_abandoned(root, 10**10)
            assert len(visible(tmp_path)) == 1
            part_of(root, "cd").close()
            part.close()
            part_of(root).close()
        assert visible(tmp_path) == []
