"""The files that generations made: small clips and pictures that play, their links, and what a GET of one returns.

facts: gen-links, outputs-30-days

Each file is its task's own: its bytes hold the task id. Must not check credentials: links are open to everyone.
"""

import functools
import io
import re
import struct
from hashlib import sha256
from pathlib import Path

from PIL import Image, ImageDraw

from kling_mcp.simulator.fault_actions import PROXY_PAGE
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import SUCCEED, GenerationTask
from kling_mcp.simulator.replies import Reply
from kling_mcp.simulator.routes import FILES_PREFIX
from kling_mcp.simulator.world import World

LIFE_SECONDS = 30 * 24 * 3600
_CLIPS = Path(__file__).parent / "clips"
_SHORT_SIDE = 320  # a result may become an input, and inputs have at least 300 pixels
_NAME = re.compile(r"(\d+)/(\d)(-watermark)?\.(mp4|png)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def link_to(task: GenerationTask, place: int, origin: str, quirks: Quirks, *, watermark: bool = False) -> str:
    """The link to one file, which tells its end."""
    name = f"{place}{'-watermark' if watermark else ''}.{'mp4' if task.product == 'video' else 'png'}"
    return f"{origin}{FILES_PREFIX}{task.task_id}/{name}?{_ends(task)[quirks.link_expiry]}"


def download(world: World, path: str, query: str, ranges: str) -> Reply:
    """What a GET of `path` below the files returns; `ranges` is the Range header, or ""."""
    now, quirks = world.clock(), world.quirks
    found = _NAME.fullmatch(path)
    task = world.generations.get(found[1]) if found else None
    most = 0 if task is None else task.order.pictures or 1
    if found is None or task is None or task.status_at(now) != SUCCEED or int(found[2]) >= most:
        return _page(404)
    # A changed link is refused as an ended one is: it is signed.
    if now >= _end(task) or query not in _ends(task).values():
        return _page(403)
    content, media_type = file_of(task, int(found[2]))
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = [("etag", tag), ("accept-ranges", "bytes" if quirks.file_ranges else "none")]
    wanted = _RANGE.fullmatch(ranges) if quirks.file_ranges else None
    if wanted is None or wanted[0] == "bytes=-":
        return Reply(200, content, None, tuple(headers), media_type)
    size = len(content)
    first = int(wanted[1]) if wanted[1] else max(size - int(wanted[2]), 0)
    last = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
    if first > last:
        return Reply(416, b"", None, (*headers, ("content-range", f"bytes */{size}")), media_type)
    headers.append(("content-range", f"bytes {first}-{last}/{size}"))
    return Reply(206, content[first : last + 1], None, tuple(headers), media_type)


def file_of(task: GenerationTask, place: int) -> tuple[bytes, str]:
    """The bytes of one result, and their media type."""
    if task.product == "video":
        return _clip(task), "video/mp4"
    return _picture(task.task_id, task.order.aspect_ratio, place), "image/png"


def _clip(task: GenerationTask) -> bytes:
    shape = {"9:16": "9x16", "1:1": "1x1"}.get(task.order.aspect_ratio, "16x9")
    sound = "silent" if task.order.sound == "off" else "sound"
    # Players skip a `free` box; it makes this clip different from every other.
    mark = task.task_id.encode()
    return _stored_clip(f"{shape}-{sound}.mp4") + struct.pack(">I4s", 8 + len(mark), b"free") + mark


@functools.cache
def _stored_clip(name: str) -> bytes:
    return (_CLIPS / name).read_bytes()


@functools.lru_cache(maxsize=64)
def _picture(task_id: str, ratio: str, place: int) -> bytes:
    """A disc on a plain ground, in colours of the task; the discs' number tells the place."""
    wide, high = (int(part) for part in (ratio if ":" in ratio else "1:1").split(":"))
    unit = _SHORT_SIDE / min(wide, high)
    size = (round(wide * unit), round(high * unit))
    seed = sha256(task_id.encode()).digest()
    picture = Image.new("RGB", size, (*seed[:3],))
    draw = ImageDraw.Draw(picture)
    for number in range(place + 1):
        left, top = 20 + 30 * number, size[1] // 2 - 60
        draw.ellipse((left, top, left + 120, top + 120), fill=(*seed[3:6],), outline=(255, 255, 255))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue() + task_id.encode()


def _end(task: GenerationTask) -> int:
    return round(task.ended + LIFE_SECONDS)


def _ends(task: GenerationTask) -> dict[str, str]:
    """When the links end, in both forms."""
    end = _end(task)
    return {"Expires": f"Expires={end}", "ksTime": f"ksTime={end:x}"}


def _page(status: int) -> Reply:
    return Reply(status, PROXY_PAGE.format(status=status).encode(), media_type="text/html")
