"""What the page of a production gets beside the rows, which costs the model nothing.

A plan's result lists what changes. A person wants to see the cast as it stands in the sheet: each entry with its face,
what is wrong with it, and where; and each shot with what happens in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.errors import InputError
from kling_mcp.media.inputs import load_picture
from kling_mcp.sanitize import clean
from kling_mcp.server.gallery import fit_page
from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import MAX_ON_SHEET, make_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.account import Account
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.production.decide import CastDecision, ShotDecision
    from kling_mcp.production.model import Media
    from kling_mcp.production.plan import Plan

CAST_KEY = "io.github.kling-mcp/cast"
_ID, _NAME, _TEXT, _WHY, _PATH = 80, 60, 160, 400, 1000
_MOST_ROWS = 500


async def cast_data(plan: Plan, account: Account, policy: MediaPolicy) -> dict[str, object]:
    """The sheet's entries in its order, what the lock has beyond them, the shots, and small `pictures`.

    A picture has the key `id ELEMENT_ID`, or `name NAME` for what an entry would be made from. Nothing is fetched.
    `policy` says which local files may be read.
    """
    cast = _entries(plan)
    rows: list[dict[str, object]] = [_entry_row(plan, each) for each in cast]
    rows += [
        {"name": clean(name, _NAME), "action": "orphan", "element_id": clean(element.element_id, _ID)}
        for name, element in plan.lock.cast.items()
        if name not in plan.sheet.cast
    ]
    ids = [str(row["element_id"]) for row in rows]
    data: dict[str, object] = {
        "path": clean(str(plan.sheet.path), _PATH),
        "part": plan.part,
        "require": [clean(name, _NAME) for name in plan.require],
        "cast": rows[:_MOST_ROWS],
        "shots": [_shot_row(plan, each) for each in plan.shots[:_MOST_ROWS]],
        "pictures": await fit_page(
            {**await _sheet_pictures(plan, cast, policy), **await _library_pictures(account, ids)}
        ),
    }
    return {CAST_KEY: data}


def _entries(plan: Plan) -> tuple[CastDecision, ...]:
    """The cast; of a plan for shots alone, only what is missing from it."""
    missing = {each.name for each in plan.missing}
    return plan.cast or tuple(each for each in plan.counted_on if each.name in missing)


def _entry_row(plan: Plan, each: CastDecision) -> dict[str, object]:
    entry = plan.sheet.cast[each.name]
    return {
        "name": clean(each.name, _NAME),
        "action": each.action,
        "why": clean(each.why, _WHY),
        "element_id": clean(each.element_id, _ID),
        "description": clean(entry.description, _TEXT),
        "pictures": (entry.front is not None) + len(entry.others),
        "clip": bool(entry.video),
        "voice": clean(entry.voice, _NAME),
        "line": entry.place.line,
        "problems": [clean(problem, _WHY) for problem in each.problems],
    }


def _shot_row(plan: Plan, each: ShotDecision) -> dict[str, object]:
    shot = plan.sheet.shots[each.shot_id]
    locked = plan.lock.shots.get(each.shot_id, {}).get(each.take)
    return {
        "shot": clean(each.shot_id, _NAME),
        "take": each.take,
        "action": "stuck" if each.is_stuck and each.action == "blocked" else each.action,
        "why": clean(each.why, _WHY),
        "prompt": clean(shot.prompt or " / ".join(shot.shots), _TEXT),
        "units": each.estimate.units if each.costs and each.estimate else "",
        "files": [clean(file, _PATH) for file in locked.files] if locked and each.action == "unchanged" else [],
        "problems": [clean(problem, _WHY) for problem in each.problems],
    }


async def _sheet_pictures(plan: Plan, cast: tuple[CastDecision, ...], policy: MediaPolicy) -> dict[str, bytes]:
    """From the front, as the sheet has them, of the entries that are not what they are to be yet."""
    fronts = {each.name: plan.sheet.cast[each.name].front for each in cast if each.action != "unchanged"}
    shown = [(name, front) for name, front in fronts.items() if front is not None]
    return {
        f"name {clean(name, _NAME)}": await to_thread.run_sync(_draw, front, policy)
        for name, front in shown[:MAX_ON_SHEET]
    }


def _draw(picture: Media, policy: MediaPolicy) -> bytes:
    """A small JPEG of a picture on this computer; b"" of a link, or if the file has changed into something else."""
    try:
        loaded = load_picture(picture.source, "front", policy)
        return make_thumbnail(loaded.data) if loaded.data else b""
    except (InputError, NoPictureError):
        return b""


async def _library_pictures(account: Account, element_ids: Sequence[str]) -> dict[str, bytes]:
    found = [await account.library.known_by_id(element_id) for element_id in element_ids if element_id]
    known = [each.element for each in found if each and each.element.element_id]
    cached = zip(known, await account.thumbnails.cached(known), strict=True)
    return {f"id {clean(element.element_id, _ID)}": jpeg for element, jpeg in cached}
