"""What lies on disks: pictures, saved results and their records, production sheets and their locks."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.doors import JSON_WORDS, Door, refusals, text_of
from fuzz.files import hostile, whole
from fuzz.served import MEMORY
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.probe import inspect
from kling_mcp.production.lock_format import lock_of, parse_raw, to_text
from kling_mcp.production.read_sheet import parse_sheet
from kling_mcp.production.sheet_file import ENDINGS, SheetText
from kling_mcp.results.content import describe, is_cut, recognise
from kling_mcp.results.folder import Folder
from kling_mcp.results.sidecar import Sidecars, has_file
from kling_mcp.simulator.generation import results

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_FILES = MediaPolicy((), "fuzzing")
MAX_SEED = 20_000


def pictures(data: bytes) -> None:
    """A picture that somebody gives."""
    with refusals():
        assert inspect(data, "mia.png", "frontal_image").format in {"jpeg", "png"}


def saved(data: bytes) -> None:
    """What a link to a result answered with."""
    media = recognise(data[:1024])
    describe(data[:1024])
    if media is not None:
        is_cut(io.BytesIO(data), len(data), media)


def records(data: bytes) -> None:
    """The record beside a result, which anybody may have edited. Fewer a second: it goes through a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        folder = Path(place)
        (folder / "a.json").write_bytes(data)
        with Folder.output(folder) as root:
            for saved_before in Sidecars().find(root, "870").values():
                assert saved_before.file not in {"", ".", ".."}
                assert not set(saved_before.file) & set("/\\\0")
                has_file(root, saved_before)


def sheets(data: bytes) -> None:
    """The first byte chooses YAML, JSON or TOML, the rest is the sheet."""
    try:
        text = data[1:].decode("utf-8")
    except UnicodeDecodeError:
        return
    ending = ENDINGS[(data[0] if data else 0) % len(ENDINGS)]
    sheet = SheetText(Path("/pictures/episode" + ending), text, ending, hashlib.sha256(data).hexdigest())
    with refusals():
        read = parse_sheet(sheet, NO_FILES)
        assert read.cast or read.shots


def locks(data: bytes) -> None:
    """The lock file of a sheet, which a person or a merge may have changed."""
    with refusals():
        raw = parse_raw(text_of(data))
        lock_of(raw)
        assert parse_raw(to_text(raw)) == raw


SHEET = """version: 1
defaults: {tags: [Character], duration: 5, audio: off}
cast:
  Mia: {front: https://e.com/a.png, others: [https://e.com/b.png], description: "Barista, red hair", voice: Rosa}
  Leo: "320000000000007"
shots:
  waves: {prompt: "@Mia waves", duration: 5, aspect_ratio: 16:9, takes: 2, save_as: scenes/}
  talks:
    shots: ["3: @Mia talks", "2: @Leo nods"]
    needs: [waves]
"""
AS_JSON = {
    "version": 1,
    "cast": {"Mia": {"front": "https://e.com/a.png", "others": ["https://e.com/b.png"], "description": "Barista"}},
    "shots": {"waves": {"prompt": "@Mia waves", "duration": 5, "images": ["https://e.com/c.png"]}},
}
AS_TOML = '[cast.Mia]\nelement_id = "320000000000007"\n[shots.waves]\nprompt = "@Mia waves"\nduration = 5\ntakes = 2\n'
RECORD = {
    "kling_mcp": 1,
    "file": "a.mp4",
    "kind": "video",
    "task_id": "870",
    "index": 1,
    "mime_type": "video/mp4",
    "seconds": 5.041,
    "elements": [{"element_id": "1", "element_name": "Mia"}],
}
LOCK = {
    "version": 1,
    "cast": {
        "Mia": {"element_id": "1", "external_task_id": "kmcp-mia", "content": "x", "history": [{"element_id": "0"}]}
    },
    "shots": {"waves": {"1": {"task_id": "1", "files": ["a.mp4"], "units": "3"}}},
}


def _picture_seeds() -> Sequence[bytes]:
    files = {**whole(), **hostile()}
    return [data for data in files.values() if len(data) <= MAX_SEED]


def _saved_seeds() -> Sequence[bytes]:
    clips = Path(results.__file__).parent / "clips"
    return [
        *_picture_seeds(),
        *(path.read_bytes() for path in sorted(clips.glob("*.mp4"))),
        b"<html>",
        b"\x1aE\xdf\xa3",
    ]


TARGETS: dict[str, Door] = {
    "pictures": Door(
        pictures,
        _picture_seeds,
        [b"IHDR", b"IDAT", b"IEND", b"iCCP", b"eXIf", b"acTL", b"\xff\xd8\xff", b"\xff\xc0", b"Exif\0\0", b"MPF\0"],
    ),
    "saved results": Door(
        saved, _saved_seeds, [b"ftyp", b"moov", b"mdat", b"\0\0\0\1", b"IEND\xaeB`\x82", b"RIFF", b"WEBP"]
    ),
    "records of results": Door(
        records,
        lambda: [json.dumps(RECORD).encode()],
        [*JSON_WORDS, b'"file"', b'"index"', b'"seconds"', b'"kling_mcp"', b"../"],
        json_at=0,
    ),
    "sheets": Door(
        sheets,
        lambda: [
            b"\0" + SHEET.encode(),
            b"\2" + json.dumps(AS_JSON, indent=1).encode(),
            b"\3" + AS_TOML.encode(),
            b"\0Mia: '320000000000007'\nLeo: 5\n",
        ],
        [
            b"cast:",
            b"shots:",
            b"defaults:",
            b"front:",
            b"&a ",
            b"*a",
            b"!!int ",
            b"|\n",
            b"? ",
            b"- ",
            b"<<:",
            *JSON_WORDS,
        ],
    ),
    "locks of sheets": Door(
        locks, lambda: [json.dumps(LOCK, indent=2).encode()], [*JSON_WORDS, b"<<<<<<< ", b'"cast"'], json_at=0
    ),
}
