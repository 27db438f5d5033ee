"""What the page of results gets beside the rows, which costs the model nothing.

The rows of a wait and of a search do not repeat a whole request; a person who looks at a result wants to see it, and
to ask for another take of it. A picture on this computer's disk comes small, for when its link has ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import ResultError
from kling_mcp.results.links import LinkRules
from kling_mcp.sanitize import clean
from kling_mcp.server.gallery import fit_page
from kling_mcp.server.views.result_blocks import draw_file
from kling_mcp.thumbnails.render import MAX_ON_SHEET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.generation.memo import GenerationMemo
    from kling_mcp.results.saver import SavedFile

RESULTS_KEY = "io.github.kling-mcp/results"
_LINKS = LinkRules()  # the page's own rule
_SIDE_PX, _MAX_BYTES = 256, 9_000
_ID, _NAME, _PROMPT = 128, 60, 2500


async def results_data(
    made: Iterable[tuple[str, GenerationMemo]], files: Iterable[SavedFile], *, saves: bool
) -> dict[str, object]:
    """`requests` by task id, `pictures` by path, and whether waiting for a task `saves` its results.

    Args:
        made: task ids, each with what the journal knows of its request.
        files: those of which a small picture is wanted; clips and files elsewhere have none.

    Nothing is fetched; pictures beyond the limit of a page are left out, last files first.
    """
    requests = {task_id: _request(memo) for task_id, memo in made if task_id and memo.model}
    return {RESULTS_KEY: {"requests": requests, "pictures": await _pictures(files), "saves": saves}}


def _request(memo: GenerationMemo) -> dict[str, object]:
    """A request as the tool's arguments name it."""
    return {
        "prompt": clean(memo.prompt, _PROMPT),
        "model": clean(memo.model, _NAME),
        "elements": [clean(name or element_id, _NAME) for element_id, name in memo.elements],
        "settings": {name: clean(str(value), _NAME) for name, value in (memo.settings or {}).items()},
        "take": memo.take,
    }


def is_out_of_sight(file: SavedFile, now: float) -> bool:
    """Whether the page cannot load it from Kling. `now` is in seconds since 1970."""
    try:
        _LINKS.require(file.url)
    except ResultError:
        return True
    return "" < file.expires_at <= iso_utc(round(now * 1000))


async def _pictures(files: Iterable[SavedFile]) -> dict[str, str]:
    saved = [file.path for file in files if file.path and file.mime_type.startswith("image/")]
    drawn = {path: await draw_file(Path(path)) for path in saved[:MAX_ON_SHEET]}
    return await fit_page(drawn, side=_SIDE_PX, most_bytes=_MAX_BYTES)
