"""Saves the results of a finished task into the output folder: each once, whole, and never in place of another file.

What fails is told for each file; the others are saved, and a later call saves the rest while the links live.
"""

from __future__ import annotations

import errno
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import ResultError
from kling_mcp.results.content import MP4, by_extension
from kling_mcp.results.download import link_ended
from kling_mcp.results.folder import Folder, NotInsideError
from kling_mcp.results.links import ends_at
from kling_mcp.results.names import SIDECAR, free_stems, not_inside, numbered, parse_save_as
from kling_mcp.results.part import claim, remove_abandoned
from kling_mcp.results.places import is_where_wanted, require_inside, target_of
from kling_mcp.results.sidecar import Content, Sidecars, has_file, key_of, record, write_sidecar
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.results.content import MediaKind
    from kling_mcp.results.download import Downloader
    from kling_mcp.results.part import Part
    from kling_mcp.results.sidecar import Description, Saved

DOWNLOADS_AT_ONCE = 3
# Clocks differ, and the 30 days are not the link's own word: a link that ended a little while ago is tried once.
_GRACE_SECONDS = 24 * 3600
_SECONDS_FOR_ANOTHER = 600.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class Result:
    """One output of a task: its link, and for a video its length in seconds."""

    url: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A row of `files` (contract), and why the file is not saved, if it is not.

    `path` is "" and `bytes` 0 for a file that is not on the disk; `expires_at` is ISO 8601 in UTC, "" if unknown.
    `note` is what a caller should know of a file that is there.
    """

    path: str = ""
    url: str
    expires_at: str
    mime_type: str
    seconds: float
    bytes: int = 0
    error: ResultError | None = None
    note: str = ""

    @property
    def may_be_saved_later(self) -> bool:
        """Whether it is not on the disk now, and a later call may save it."""
        return self.error is not None and self.error.retry != "never"


@dataclass(frozen=True, slots=True)
class _Job:
    """One result on its way; `index` counts from 1."""

    result: Result
    description: Description
    index: int
    count: int
    ends_at: float

    @property
    def key(self) -> str:
        return key_of(self.description.task_id, self.index)

    def row(self, path: str = "", mime_type: str = "", size: int = 0, error: ResultError | None = None) -> SavedFile:
        return SavedFile(
            path=path,
            url=self.result.url,
            expires_at=iso_utc(round(self.ends_at * 1000)),
            mime_type=mime_type or _claimed_type(self.result.url, self.description.kind),
            seconds=self.result.seconds,
            bytes=size,
            error=error,
        )


class ResultSaver:
    """Saves into one output folder; one per process. Without a folder nothing is saved, and rows have links alone."""

    def __init__(
        self, folder: Path | None, downloader: Downloader, clock: Clock, *, read_only: bool = False, why_not: str = ""
    ) -> None:
        """`folder` is a full path; it is opened, and made if it is missing, when something is saved.

        If `read_only`, nothing is saved, and rows tell what is on the disk. `why_not` is the sentence for results that
        are not saved at all.
        """
        self.folder = folder
        self.read_only = read_only
        self.why_not = why_not
        self._downloader = downloader
        self._clock = clock
        self._sidecars = Sidecars()
        self._gate = anyio.Semaphore(DOWNLOADS_AT_ONCE)

    async def save(self, results: Sequence[Result], description: Description) -> list[SavedFile]:
        """A row for each result, in order: saved now, found saved, or with the reason why not.

        Raises:
            InputError: `save_as` leads out of the output folder; nothing was downloaded.
        """
        updated, count = description.updated_at, len(results)
        jobs = [
            _Job(result, description, index, count, ends_at(result.url, updated))
            for index, result in enumerate(results, start=1)
        ]
        if self.folder is None or self.read_only:
            (rows,) = await self.look([(results, description)])
            unsaved = ResultError(self.why_not, kind="bad_input") if self.why_not else None
            return [row if row.path else replace(row, error=unsaved) for row in rows]
        parse_save_as(description.save_as)
        try:
            root = await to_thread.run_sync(self._open, self.folder, description.save_as)
        except OSError as error:
            failed = self._disk_error(error)
            return [job.row(error=failed) for job in jobs]
        with root:
            rows = [job.row() for job in jobs]

            async def fill(place: int) -> None:
                async with self._gate:
                    rows[place] = await self._save_one(root, jobs[place])

            async with anyio.create_task_group() as group:
                for place in range(count):
                    group.start_soon(fill, place)
        return rows

    @property
    def saves(self) -> bool:
        """Whether anything is saved at all."""
        return self.folder is not None and not self.read_only

    async def look(self, tasks: Sequence[tuple[Sequence[Result], Description]]) -> list[list[SavedFile]]:
        """The rows of each task as `save` gives them, with what is on the disk now. Nothing is written or downloaded.

        Results that are on the disk and are not given have rows without a link.
        """
        try:
            return await to_thread.run_sync(self._look, tasks)
        except OSError:  # the next save says what is wrong with the disk
            return [_rows_of(None, results, description, {}) for results, description in tasks]

    def _look(self, tasks: Sequence[tuple[Sequence[Result], Description]]) -> list[list[SavedFile]]:
        if self.folder is None or not self.folder.is_dir():
            return [_rows_of(None, results, description, {}) for results, description in tasks]
        with Folder.output(self.folder) as root:
            known = self._sidecars.find_all(root, {description.task_id for _, description in tasks})
            return [_rows_of(root, results, about, known.get(about.task_id, {})) for results, about in tasks]

    async def never_saved(self, task_ids: Sequence[str]) -> list[str]:
        """Those of these tasks of which this folder has no record; none if nothing is saved or the disk fails."""
        if not self.saves:
            return []
        try:
            known = await to_thread.run_sync(self._recorded, set(task_ids))
        except OSError:
            return []
        return [task_id for task_id in task_ids if task_id not in known]

    async def recorded(self, task_ids: Collection[str]) -> Mapping[str, Collection[int]]:
        """The places, from 1, of the results of each task that were saved here; none if the disk fails."""
        try:
            return await to_thread.run_sync(self._recorded, task_ids)
        except OSError:
            return {}

    def _recorded(self, task_ids: Collection[str]) -> Mapping[str, Collection[int]]:
        if self.folder is None or not self.folder.is_dir():
            return {}
        with Folder.output(self.folder) as root:
            return self._sidecars.find_all(root, task_ids)

    async def require_save_as(self, save_as: str) -> None:
        """Check `save_as` before anything is paid for. What is wrong with the disk is told when files are saved.

        Raises:
            InputError: it leads out of the output folder.
        """
        parse_save_as(save_as)
        if self.folder is not None and not self.read_only:
            with suppress(OSError):
                (await to_thread.run_sync(self._open, self.folder, save_as)).close()

    def _open(self, folder: Path, save_as: str) -> Folder:
        """The output folder, without the parts of processes that were killed. Raises InputError or OSError."""
        root = Folder.output(folder)
        try:
            with suppress(OSError):
                remove_abandoned(root, self._clock.wall())
            require_inside(root, save_as)
        except BaseException:
            root.close()
            raise
        return root

    async def _save_one(self, root: Folder, job: _Job) -> SavedFile:
        try:
            return await self._saved_or_fetched(root, job)
        except ResultError as error:
            return job.row(error=error)
        except OSError as error:
            return job.row(error=self._disk_error(error))
        except NotInsideError as error:  # since it was checked
            return job.row(error=ResultError(str(not_inside(error.name, error.what)), kind="bad_input"))

    async def _saved_or_fetched(self, root: Folder, job: _Job) -> SavedFile:
        if found := await to_thread.run_sync(self._find, root, job):
            return found
        if 0 < job.ends_at <= self._clock.wall() - _GRACE_SECONDS:
            raise link_ended(job.ends_at)
        part = await self._claim(root, job)
        if isinstance(part, SavedFile):
            return part
        try:
            kind = job.description.kind
            media = await self._downloader.fetch(job.result.url, kind, part, ends_at=job.ends_at)
            content = Content(media, job.result.seconds, part.size, part.sha256)
            return await to_thread.run_sync(self._publish, root, job, part, content)
        finally:
            part.close()

    async def _claim(self, root: Folder, job: _Job) -> Part | SavedFile:
        """The right to save this result, or the row of whoever had it first."""
        backoff = Backoff(0.1, 2.0)
        ends = self._clock.monotonic() + _SECONDS_FOR_ANOTHER
        while True:
            part = await to_thread.run_sync(claim, root, job.key, self._clock.wall())
            try:
                found = await to_thread.run_sync(self._find, root, job)
            except BaseException:
                _close(part)
                raise
            if found is not None:
                _close(part)
                return found
            if part is not None:
                return part
            if self._clock.monotonic() >= ends:
                raise ResultError(
                    "Another process is still saving this result.",
                    kind="busy",
                    retry="later",
                    advice="Call again later.",
                )
            await self._clock.sleep(backoff.next_delay())

    # --- with the disk, in a worker thread

    def _find(self, root: Folder, job: _Job) -> SavedFile | None:
        """The row of a result that is saved already."""
        known = self._known(root, job)
        row = _row_of(root, job, known) if known and has_file(root, known) else None
        if row is None or known is None or is_where_wanted(known, job.description.save_as):
            return row
        return replace(row, note=f"It was saved already, as {quote(row.path, 1000)}; save_as was not used.")

    def _known(self, root: Folder, job: _Job) -> Saved | None:
        """The sidecar of a result, if there is one."""
        return self._sidecars.find(root, job.description.task_id).get(job.index)

    def _publish(self, root: Folder, job: _Job, part: Part, content: Content) -> SavedFile:
        """Give the whole file its name, below its sidecar's."""
        known = self._known(root, job)
        if known and has_file(root, known) and (found := _row_of(root, job, known)):
            return found  # on a disk without locks, another process was faster
        path = _put_back(root, known, part) if known else None
        return job.row(str(path or self._put(root, job, part, content)), content.media.mime_type, content.size)

    def _put(self, root: Folder, job: _Job, part: Part, content: Content) -> Path:
        """Put the file under a name that is free; its path."""
        now, extension = self._clock.wall(), content.media.extension
        target, stem = target_of(root, job.description)
        with target:
            for free in free_stems(numbered(stem, job.index, job.count), extension, target.names()):
                file = free + extension
                about = record(job.description, job.index, job.result.url, file, content, ends_at=job.ends_at, now=now)
                try:
                    write_sidecar(root, target, free, about, key=job.key, now=now)
                except FileExistsError:
                    continue
                try:
                    part.publish(target, file)
                except OSError as error:
                    target.remove(free + SIDECAR)
                    if isinstance(error, FileExistsError):
                        continue
                    raise
                return target.path / file
        raise FileExistsError(errno.EEXIST, "every name is taken")

    def _disk_error(self, error: OSError) -> ResultError:
        """The error for a disk that does not take a file, in words that say what to do."""
        folder = quote(str(self.folder))
        if error.errno in _FULL:
            return ResultError(
                f"There is no room for this result on the disk of {folder}.",
                kind="limit",
                retry="later",
                advice="Make room on that disk, and call again; nothing is paid twice.",
            )
        if error.errno in _MISSING:
            return ResultError(
                f"The output folder {folder} is missing.",
                kind="bad_input",
                retry="later",
                advice=f"Create it, or connect its disk, and call again; {_ELSEWHERE}",
            )
        why = (error.strerror or type(error).__name__).lower()
        return ResultError(
            f"The output folder {folder} cannot be written to ({why}).",
            kind="bad_input",
            retry="later",
            advice=f"Let this server write there, and call again; {_ELSEWHERE}",
        )


_ELSEWHERE = "or set KLING_MCP_OUTPUT_DIR to another folder and restart the server."


def _put_back(root: Folder, known: Saved, part: Part) -> Path | None:
    """Put the file where its sidecar is, if the name is free there: a person deleted it, or a process was killed
    before it appeared."""
    with suppress(FileExistsError, NotInsideError), root.descend(known.folders) as target:
        about = target.about(known.file)
        if about is not None and stat.S_ISREG(about.st_mode) and about.st_size == 0:
            target.remove(known.file)  # what a killed process leaves on a disk without hard links
        part.publish(target, known.file)
        return target.path / known.file
    return None


def _rows_of(
    root: Folder | None, results: Sequence[Result], description: Description, known: Mapping[int, Saved]
) -> list[SavedFile]:
    """A row for each result, with its file if that is there, and for each further file."""
    count = max([len(results), *known])
    rows = []
    for index in range(1, count + 1):
        result = results[index - 1] if index <= len(results) else Result("")
        ends = ends_at(result.url, description.updated_at) if result.url else 0.0
        job = _Job(result, description, index, count, ends)
        found = _row_of(root, job, known[index]) if root and index in known else None
        if found or result.url:
            rows.append(found or job.row())
    return rows


def _row_of(root: Folder, job: _Job, saved: Saved) -> SavedFile | None:
    with root.descend(saved.folders) as folder:
        about = folder.about(saved.file)
    if about is None:
        return None
    row = job.row(str(folder.path / saved.file), saved.mime_type, about.st_size)
    return row if row.seconds else replace(row, seconds=saved.seconds)


def _claimed_type(url: str, kind: MediaKind) -> str:
    """The type of a file that is not here, by its link; "" if that does not say."""
    with suppress(ValueError):
        media = by_extension(PurePosixPath(urlsplit(url).path).suffix)
        if media and media.kind == kind:
            return media.mime_type
    return MP4.mime_type if kind == "video" else ""


def _close(part: Part | None) -> None:
    if part is not None:
        part.close()
