"""NAME.json beside each saved file: what it was made from, and that its task is saved.

A sidecar appears before its file, and claims the name for it: a process that is killed between the two leaves a record
whose file is missing, and the next call puts the file there.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.results.folder import NotInsideError
from kling_mcp.results.links import without_signature
from kling_mcp.results.names import MAX_FOLDERS, SIDECAR
from kling_mcp.results.part import claim

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kling_mcp.results.content import MediaKind, MediaType
    from kling_mcp.results.folder import Folder

FORMAT = 1
_MARK = "kling_mcp"  # the key whose value is the format
_MAX_BYTES = 1_000_000
_MAX_SECONDS = 1_000_000
_MAX_FILES = 50_000
_MAX_DEPTH = MAX_FOLDERS + 1  # a name may mean a folder, too


@dataclass(frozen=True, slots=True)
class UsedElement:
    """An element that a result was made with."""

    element_id: str
    element_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the results of one task were made from.

    `task_id` identifies the task on this disk. Units are Kling's or our figures as text, "" if unknown. `created_at`
    and `updated_at` are Kling's, in milliseconds, 0 if unknown. `save_as` is the caller's, see `names.parse_save_as`.
    `title` names the files instead of the prompt if it is not "".
    """

    kind: MediaKind
    task_id: str
    external_task_id: str = ""
    prompt: str = ""
    elements: Sequence[UsedElement] = ()
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    model: str = ""
    take: int = 1
    units_estimated: str = ""
    units_deducted: str = ""
    created_at: int = 0
    updated_at: int = 0
    save_as: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A whole file: its type, length in seconds (0 for a picture), bytes and hexadecimal digest."""

    media: MediaType
    seconds: float
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A sidecar that was found: its result, in which folders below the output folder it lies, and its file there."""

    task_id: str
    index: int
    folders: tuple[str, ...]
    file: str
    mime_type: str
    seconds: float


Stamp = tuple[int, int, int]
Known = tuple[Stamp, Saved | None]


def key_of(task_id: str, index: int) -> str:
    """A word of hexadecimal digits for one result of a task."""
    return hashlib.sha256(f"{task_id} {index}".encode("utf-8", "replace")).hexdigest()[:24]


def write_sidecar(root: Folder, target: Folder, stem: str, about: Mapping[str, Any], *, key: str, now: float) -> None:
    """Write the sidecar of the file `stem` into `target`, whole or not at all.

    Raises:
        FileExistsError: the name is taken.
    """
    text = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
    part = claim(root, f"{key}-json", now)
    if part is None:
        raise BlockingIOError(f"{stem}{SIDECAR} is written by another process")
    try:
        part.write(text.encode("utf-8", "replace"))
        part.publish(target, stem + SIDECAR)
    finally:
        part.close()


def record(
    description: Description, index: int, link: str, file: str, content: Content, *, ends_at: float, now: float
) -> dict[str, Any]:
    """What a sidecar says. The link is without its signature, and every id is text."""
    return {
        _MARK: FORMAT,
        "file": file,
        "kind": description.kind,
        "prompt": description.prompt,
        "elements": [
            {"element_id": str(used.element_id), "element_name": used.element_name} for used in description.elements
        ],
        "model": description.model,
        "settings": dict(description.settings),
        "take": description.take,
        "task_id": description.task_id,
        "external_task_id": description.external_task_id,
        "index": index,
        "units_estimated": description.units_estimated,
        "units_deducted": description.units_deducted,
        "created_at": iso_utc(description.created_at),
        "updated_at": iso_utc(description.updated_at),
        "saved_at": iso_utc(round(now * 1000)),
        "source": without_signature(link),
        "source_expires_at": iso_utc(round(ends_at * 1000)),
        "mime_type": content.media.mime_type,
        "seconds": content.seconds,
        "bytes": content.size,
        "sha256": content.sha256,
    }


class Sidecars:
    """Which results are saved in an output folder. Call it from a worker thread; any number may at once.

    Files that did not change are not read again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Known] = {}
        self._lock = threading.Lock()

    def find(self, root: Folder, task_id: str) -> dict[int, Saved]:
        """The sidecars of a task by index; of two, the one whose file is there."""
        return self.find_all(root, {task_id}).get(task_id, {})

    def find_all(self, root: Folder, task_ids: Collection[str]) -> dict[str, dict[int, Saved]]:
        """The same for several tasks, which are looked for together; those without any are left out."""
        found: dict[str, dict[int, Saved]] = {}
        with self._lock:
            before, self._known = self._known, {}
            self._look(root, (), before)
            for _, saved in self._known.values():
                if saved is None or saved.task_id not in task_ids:
                    continue
                of_task = found.setdefault(saved.task_id, {})
                if saved.index not in of_task or not has_file(root, of_task[saved.index]):
                    of_task[saved.index] = saved
        return found

    def _look(self, folder: Folder, place: tuple[str, ...], before: Mapping[tuple[str, ...], Known]) -> None:
        for entry in folder.entries(SIDECAR):
            here = (*place, entry.name)
            if entry.name.startswith(".") or len(self._known) >= _MAX_FILES:
                continue
            if entry.is_folder:
                if len(here) <= _MAX_DEPTH:
                    with suppress(OSError, NotInsideError), folder.enter(entry.name) as inner:
                        self._look(inner, here, before)
            elif entry.name.endswith(SIDECAR):
                known = before.get(here)
                same = known is not None and known[0] == entry.stamp
                self._known[here] = known if known and same else (entry.stamp, _read(folder, entry.name, place))


def has_file(root: Folder, saved: Saved) -> bool:
    """Whether the file of a sidecar is there."""
    with suppress(OSError, NotInsideError), root.descend(saved.folders) as folder:
        return folder.has_file(saved.file)
    return False


def _read(folder: Folder, name: str, place: tuple[str, ...]) -> Saved | None:
    """What a sidecar says; None for any other JSON."""
    try:
        file = os.fdopen(folder.open(name, os.O_RDONLY), "rb")
    except OSError:
        return None
    with file:
        try:
            told = json.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
    if not isinstance(told, dict) or told.get(_MARK) != FORMAT:
        return None
    task_id, index, saved_as = told.get("task_id"), told.get("index"), told.get("file")
    if not isinstance(task_id, str) or not isinstance(index, int) or not isinstance(saved_as, str):
        return None
    if saved_as in {"", ".", ".."} or "\0" in saved_as or "/" in saved_as or "\\" in saved_as:
        return None  # the file lies beside it
    mime_type = told.get("mime_type")
    seconds = _seconds(told.get("seconds"))
    return Saved(task_id, index, place, saved_as, mime_type if isinstance(mime_type, str) else "", seconds)


def _seconds(told: object) -> float:
    """0.0 for anything that is no length of a clip."""
    return float(told) if isinstance(told, int | float) and 0 <= told < _MAX_SECONDS else 0.0
