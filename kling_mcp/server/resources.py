"""What can be read without calling a tool: one element, and the tables that tools and errors refer to.

The tables are the ones that the code itself uses, written as JSON; nothing is repeated here by hand.
Text from Kling is cleaned and capped before it is shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from kling_mcp.api.codes import CODES
from kling_mcp.errors import Kind, KlingError, NotFoundError
from kling_mcp.library.targets import TARGETS
from kling_mcp.media import limits
from kling_mcp.server.call import Call
from kling_mcp.server.tools._library import element_row_of
from kling_mcp.server.witness import Reading, witnessed
from kling_mcp.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.mcpserver import MCPServer

    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.resolve import Match
    from kling_mcp.library.targets import Target
    from kling_mcp.runtime import Account, Runtime

ELEMENT_URI = "kling://elements/{id}"
PICTURE_URI = "kling://elements/{id}/picture"
TAGS_URI = "kling://tags"
ERRORS_URI = "kling://errors"
LIMITS_URI = "kling://limits"

JSON_TYPE = "application/json"
_EXTERNAL_ID = 128

KINDS: Mapping[Kind, str] = {
    "missing_credentials": "No key is set, so nothing was sent; whoever runs the server sets one.",
    "auth": "Kling does not accept the credentials.",
    "clock": "The signed token is too old or not yet valid: a clock is wrong.",
    "permission": "The account's state or rights forbid it.",
    "balance": "The account has nothing left to pay with.",
    "bad_input": "The input breaks a rule; every problem is listed with its fix.",
    "content_policy": "Kling's content rules refuse the material; the same input will be refused again.",
    "rate_limited": "Too many requests in a short time; nothing was done.",
    "busy": "Too many at once; nothing was done.",
    "not_found": "Nothing carries this id or name; similar names are given.",
    "name_taken": "An element of this name exists already.",
    "ambiguous_name": "Several elements carry this name; give an id.",
    "read_only": "This server is not allowed to change anything, or the tool is switched off.",
    "network": "The connection failed; repeating the call is safe.",
    "vendor_fault": "Kling failed, or answered in a form that cannot be read.",
    "unknown_outcome": "The request was sent and its answer was lost; repeating the same call finds what it made.",
    "task_failed": "Kling accepted the task and then refused its inputs.",
    "stale_plan": "The plan no longer fits what exists; make a new one.",
    "limit": "A limit of this server was reached; nothing was sent.",
    "internal": "A defect of this server; the reference stands in its log.",
}


def register_resources(server: MCPServer[Runtime]) -> None:
    """Add every resource; nothing is read or opened before somebody asks."""
    add = server.resource
    add(
        ELEMENT_URI,
        name="element",
        title="One element",
        description="One element as JSON, by element id, task id, external task id or exact name.",
        mime_type=JSON_TYPE,
    )(read_element)
    add(
        PICTURE_URI,
        name="element_picture",
        title="An element's picture",
        description="A small JPEG of one element, at most 256 px a side.",
        mime_type="image/jpeg",
    )(read_picture)
    for uri, name, title, description, table in (
        (TAGS_URI, "tags", "Tags", "Every tag that an element can carry, with its id.", tags_table),
        (ERRORS_URI, "errors", "Errors", "What the last line of a failed call means, and Kling's codes.", errors_table),
        (LIMITS_URI, "limits", "Limits", "What Kling takes in a creation, and per generation target.", limits_table),
    ):
        add(uri, name=name, title=title, description=description, mime_type=JSON_TYPE)(table)


async def read_element(id: str, ctx: Context[Any, Any]) -> str:  # noqa: A002 - named as in the URI of the contract
    """The element as JSON text.

    Raises:
        ResourceNotFoundError: nothing carries the id or name.
        ResourceError: Kling or the state folder could not be read, or the name is ambiguous.
    """
    match = await _find(Call(ctx), id, "element")
    return _as_json({"matched_by": match.matched_by, **element_facts(match.element)})


async def read_picture(id: str, ctx: Context[Any, Any]) -> bytes:  # noqa: A002 - as above
    """The element's picture as a JPEG.

    Raises:
        ResourceNotFoundError: nothing carries the id or name, or there is no picture.
        ResourceError: as `read_element`.
    """
    call = Call(ctx)
    match = await _find(call, id, "element_picture")
    (face,) = await call.account.album.faces([match.element])
    if not face.jpeg:
        raise ResourceNotFoundError(f"There is no picture of this element: {face.note}.")
    return face.jpeg


def element_facts(element: LibraryElement) -> dict[str, object]:
    """Every fact of a record that may be shown; links stay out, as they may be signed."""
    row = element_row_of(element).model_dump()
    return {**row, "source": element.source, "external_task_id": clean(element.external_task_id, _EXTERNAL_ID)}


def tags_table() -> str:
    """Section 4.1 of the API reference."""
    return _as_json({"tags": [{"tag_id": tag_id, "name": name} for tag_id, name in limits.TAGS.items()]})


def errors_table() -> str:
    """The fields of an error's last line, and what each of Kling's codes becomes. fact: errors-code-decides"""
    return _as_json(
        {
            "last_line": "kind=… created=no|yes|maybe retry=never|later|now code=… request_id=…",
            "kinds": [{"kind": kind, "meaning": KINDS[kind]} for kind in get_args(Kind)],
            "codes": [
                {
                    "code": code,
                    "http_status": rule.http_status,
                    "meaning": rule.meaning,
                    "kind": rule.kind,
                    "created": rule.created_on_create,
                    "retry": rule.retry,
                    "advice": rule.advice,
                }
                for code, rule in CODES.items()
            ],
        }
    )


def limits_table() -> str:
    """Sections 4.1 and 9 of the API reference, with the fact behind each number."""
    return _as_json(
        {
            "creation": {
                "element_name": _limit(limits.NAME_MAX_CHARACTERS, "characters at most"),
                "element_description": _limit(limits.DESCRIPTION_MAX_CHARACTERS, "characters at most"),
                "refer_images": _limit(limits.REFER_IMAGES_MAX, f"at most; at least {limits.REFER_IMAGES_MIN}"),
                "picture_format": {"limit": "JPEG or PNG", "fact": "image-formats"},
                "picture_bytes": _limit(limits.IMAGE_MAX_BYTES, "bytes at most"),
                "picture_side": _limit(limits.IMAGE_MIN_SIDE_PX, "px at least, each side"),
                "picture_ratio": {"limit": "1:2.5 to 2.5:1", "fact": limits.IMAGE_RATIO_LONG.fact},
                "video": {"limit": limits.VIDEO_RULE, "fact": "video-format"},
            },
            "targets": [_target(target) for target in TARGETS.values()],
        }
    )


def _limit(limit: limits.Limit, unit: str) -> dict[str, object]:
    return {"limit": int(limit), "unit": unit, "fact": limit.fact}


def _target(target: Target) -> dict[str, object]:
    return {
        "target": target.name,
        "route": target.path,
        "model_name": target.model_name,
        "limits": [
            {
                "beside": limit.beside or "always",
                "kinds": limit.kinds,
                "elements": limit.most,
                "video_elements": limit.most_videos,
                "pictures_and_image_elements": limit.shared,
                "fact": limit.fact,
            }
            for limit in target.limits
        ],
    }


async def _find(call: Call, any_id: str, resource: str) -> Match:
    with witnessed(Reading(f"resource:{resource}"), call) as witness:
        witness.begins()
        try:
            with call.counted():
                match = await _match(call.account, any_id)
        except KlingError as error:
            witness.failed(error)
            refusal = ResourceNotFoundError if isinstance(error, NotFoundError) else ResourceError
            raise refusal(error.for_caller()) from None
        witness.answered(match.element)
        return match


async def _match(account: Account, any_id: str) -> Match:
    """What is known here under the id, else under the id or name after asking Kling."""
    return await account.library.known_by_id(any_id) or await account.library.match(any_id)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
