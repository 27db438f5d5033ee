"""Processes that save at the same time, are killed on the way, or have no room: one whole file in the end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from processes import environ_with, uncounted, until

from kling_mcp.results.folder import Folder
from kling_mcp.results.part import claim, remove_abandoned
from results.stand import Ask, Store, clip, described, results, saver, storing, visible, whole

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="limits and kills of POSIX")]

CLIP = clip(400_000)
PROGRAM = Path(__file__).parent / "saving.py"


@pytest.fixture
def anyio_backend() -> str:
    """Sockets and processes need real time."""
    return "asyncio"


async def start(store: Store, folder: Path, *limit: str) -> Process:
    arguments = [str(PROGRAM), store.link(), str(folder), *limit]
    environ = uncounted(environ_with())
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environ, stdout=PIPE)


async def row_of(process: Process) -> tuple[str, str]:
    """The path and the error that a process prints."""
    out, _ = await process.communicate()
    path, error = json.loads(out.splitlines()[-1])
    return path, error


async def halfway(ask: Ask) -> None:
    """Most of the file, and then nothing for long."""
    await ask.say(CLIP[:390_000], Content_Length=len(CLIP), ETag='"v1"')
    await asyncio.sleep(60)


async def kill_halfway(store: Store, folder: Path) -> None:
    """`kill -9` of a process that has begun to write."""
    process = await start(store, folder)
    await until(lambda: bool(store.asked) and any(name.endswith(".part") for name in visible(folder)))
    process.kill()
    await process.wait()


async def test_killed_download_is_repeated_into_one_whole_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with storing(halfway, whole(CLIP)) as store:
        await kill_halfway(store, out)
        assert [name[:11] for name in visible(out)] == [".kling-mcp-"]
        path, error = await row_of(await start(store, out))
    assert (path, error) == (str(out / "dance.mp4"), "")
    assert (out / "dance.mp4").read_bytes() == CLIP
    assert visible(out) == ["dance.json", "dance.mp4"]


async def test_leftover_of_a_killed_process_is_removed_by_any_later_call(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with storing(halfway, whole(CLIP)) as store:
        await kill_halfway(store, out)
        await saver(store, out).save(results(store), described(task_id="2", save_as="other"))
    assert visible(out) == ["other.json", "other.mp4"]


async def test_processes_at_the_same_time_end_in_one_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    release = asyncio.Event()

    async def wait(ask: Ask) -> None:
        await release.wait()
        await whole(CLIP)(ask)

    async with storing(wait) as store:
        processes = [await start(store, out) for _ in range(2)]
        for process in processes:  # now or soon at the claim; either must end well
            assert process.stdout is not None
            assert await process.stdout.readline() == b"begun\n"
        await until(lambda: bool(store.asked))
        release.set()
        rows = await asyncio.gather(*map(row_of, processes))
    assert rows == [(str(out / "dance.mp4"), "")] * 2
    assert (out / "dance.mp4").read_bytes() == CLIP
    assert (visible(out), len(store.asked)) == (["dance.json", "dance.mp4"], 1)


@pytest.mark.parametrize("limit", ["1000", "399999"])
async def test_full_disk_is_named_and_keeps_no_half_of_a_file(tmp_path: Path, limit: str) -> None:
    out = tmp_path / "out"
    async with storing(whole(CLIP)) as store:
        path, error = await row_of(await start(store, out, limit))
        assert visible(out) == []
        again, _ = await row_of(await start(store, out))
    assert path == ""
    assert error.startswith(f'There is no room for this result on the disk of "{out}".')
    assert error.endswith("kind=limit created=yes retry=later code=- request_id=-")
    assert Path(again).name == "dance.mp4"


class TestSteps:
    """The disk as a process leaves it that is killed between two steps of the end."""

    async def test_record_without_its_file_gets_it(self, tmp_path: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, tmp_path).save(results(store), described())
            os.unlink(row.path)  # noqa: PTH108 - in a coroutine ruff takes the other form for a wait
            (again,) = await saver(store, tmp_path).save(results(store), described())
        assert again == row
        assert len(visible(tmp_path)) == 2

    async def test_empty_file_below_a_record_is_filled(self, tmp_path: Path) -> None:
        """On a disk without hard links an empty file takes the name first."""
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, tmp_path).save(results(store), described())
            os.truncate(row.path, 0)
            (again,) = await saver(store, tmp_path).save(results(store), described())
        assert again == row
        assert len(visible(tmp_path)) == 2

    async def test_second_name_of_a_saved_file_is_removed_without_harm(self, tmp_path: Path) -> None:
        with Folder.output(tmp_path) as root:
            part = claim(root, "ab", 0.0)
            assert part is not None
            part.write(CLIP)
            part.publish(root, "dance.mp4")
            os.close(part._file)  # killed before the hidden name was removed
            remove_abandoned(root, 0.0)
            assert visible(tmp_path) == ["dance.mp4"]
            os.link(tmp_path / "dance.mp4", tmp_path / ".kling-mcp-ab.part")
            second = claim(root, "ab", 0.0)
            assert second is not None
            second.close()
        assert (tmp_path / "dance.mp4").read_bytes() == CLIP
        assert visible(tmp_path) == ["dance.mp4"]
