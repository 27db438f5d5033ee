"""The texts of resources: the tables that the code itself uses, and an element, as JSON.

Nothing is repeated here by hand, and nothing is sent to Kling.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

from kling_mcp.api import limits as rules
from kling_mcp.api.codes import CODES
from kling_mcp.errors import Kind
from kling_mcp.generation.targets import TARGETS
from kling_mcp.production.example import full_form
from kling_mcp.sanitize import clean
from kling_mcp.server.views.elements import element_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.generation.targets import Target
    from kling_mcp.library.resolve import ResolvedElement

_EXTERNAL_ID = 128

KINDS: Mapping[Kind, str] = {
    "missing_credentials": "No key is set, so nothing was sent; the operator must set one.",
    "auth": "Kling does not accept the credentials.",
    "clock": "The signed token is too old or not yet valid: a clock is wrong.",
    "permission": "The account's state or permissions forbid it.",
    "balance": "The account has no units left.",
    "bad_input": "The input breaks a rule; every problem is listed with its fix.",
    "content_policy": "Kling's content rules refuse the material; the same input will be refused again.",
    "rate_limited": "Too many requests in a short time; nothing was done.",
    "busy": "Too many at once; nothing was done.",
    "not_found": "No element has this id or name; similar names are listed.",
    "name_taken": "An element with this name already exists.",
    "ambiguous_name": "Several elements have this name; give an id.",
    "read_only": "This server is not allowed to change anything, or the tool is switched off.",
    "network": "The connection failed; repeating the call is safe.",
    "vendor_fault": "Kling failed, or sent an unreadable answer.",
    "unknown_outcome": "The request was sent and its answer was lost; repeating the same call finds what it created.",
    "task_failed": "Kling accepted the task and then refused its inputs.",
    "stale_plan": "The plan no longer matches the library; make a new one.",
    "limit": "A limit of this server was reached; nothing was sent.",
    "needs_confirmation": "It costs units, and a person must agree first; nothing was paid.",
    "over_budget": "It may cost more units than the call, or a limit of this server, allows; nothing was paid.",
    "internal": "A bug in this server; its log has the reference.",
}


def element(match: ResolvedElement) -> str:
    """Every fact of a record that may be shown; links stay out, as they may be signed."""
    record = match.element
    return _as_json(
        {
            "matched_by": match.matched_by,
            **element_row(record).model_dump(),
            "source": record.source,
            "external_task_id": clean(record.external_task_id, _EXTERNAL_ID),
        }
    )


def tags() -> str:
    """All tags. fact: tag-table"""
    return _as_json({"tags": [{"tag_id": tag_id, "name": name} for tag_id, name in rules.TAGS.items()]})


def errors() -> str:
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


def limits() -> str:
    """What a creation takes, and how many elements each target takes, with the fact behind each number."""
    return _as_json(
        {
            "creation": {
                "element_name": _limit(rules.MAX_NAME_CHARACTERS, "characters at most"),
                "element_description": _limit(rules.MAX_DESCRIPTION_CHARACTERS, "characters at most"),
                "refer_images": _limit(rules.REFER_IMAGES_MAX, f"at most; at least {rules.REFER_IMAGES_MIN}"),
                "picture_format": {"limit": "JPEG or PNG", "fact": "image-formats"},
                "picture_bytes": _limit(rules.MAX_IMAGE_BYTES, "bytes at most"),
                "picture_side": _limit(rules.MIN_IMAGE_SIDE_PX, "px at least, each side"),
                "picture_ratio": {"limit": "1:2.5 to 2.5:1", "fact": rules.IMAGE_RATIO_LONG.fact},
                "video": {"limit": rules.VIDEO_RULE, "fact": "video-format"},
            },
            "targets": [_target(target) for target in TARGETS.values()],
        }
    )


def production_sheet() -> str:
    """How a sheet is written."""
    return full_form()


def _limit(limit: rules.Limit, unit: str) -> dict[str, object]:
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


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
