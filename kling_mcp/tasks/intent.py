"""The identity of a request: which calls ask for the same thing. Pure.

The same content for the same account is the same request, however often and from wherever it comes. A caller that
wants a second copy gives it its own external task id, which is then the identity.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kling_mcp.api.limits import MAX_EXTERNAL_TASK_ID_CHARACTERS
from kling_mcp.sanitize import as_shown
from kling_mcp.tasks.budget import show_units

if TYPE_CHECKING:
    from kling_mcp.tasks.budget import Cost
    from kling_mcp.tasks.slots import SlotUse

# Part of every identity. Raise it when content is assembled differently, or one request could have two identities.
VERSION = 1
ID_PREFIX = "kmcp-"


@dataclass(frozen=True, slots=True)
class Intent:
    """What a caller wants Kling to create.

    Attributes:
        kind: the kind of task, as `TaskRoute.kind` names it.
        key: the identity; the journal groups the attempts at it.
        content_hash: the content; equal to `key` unless the caller gave an id.
        label: what people call it, such as an element's name, as it is shown.
        caller_id: the caller's own external task id, or "".
        memo: what the kind's own code needs later. The core stores it and never reads it.
        cost: what it may cost; None if nothing. Not part of the identity: prices change.
        slot_use: the slots that its task holds; None if none.
    """

    kind: str
    key: str
    content_hash: str
    label: str
    caller_id: str = ""
    memo: Mapping[str, str] = field(default_factory=dict)
    cost: Cost | None = None
    slot_use: SlotUse | None = None

    @property
    def slot_group(self) -> str:
        """Whose slots its task holds, or ""."""
        return self.slot_use.group if self.slot_use else ""

    @property
    def slots(self) -> int:
        """How many of them."""
        return self.slot_use.count if self.slot_use else 0

    @property
    def product(self) -> str:
        """The product type that is paid with, or ""."""
        return self.cost.product if self.cost else ""

    @property
    def units_estimated(self) -> str:
        """What it may cost at most; "" if nothing, or if that is not known."""
        return show_units(self.cost.units) if self.cost and self.cost.is_known else ""


def make_intent(
    kind: str,
    account: str,
    content: Sequence[object],
    *,
    label: str,
    caller_id: str = "",
    memo: Mapping[str, str] | None = None,
    cost: Cost | None = None,
    slot_use: SlotUse | None = None,
) -> Intent:
    """The intent behind a request.

    Args:
        account: the account's fingerprint.
        content: everything that decides what is created, as JSON data.
    """
    content_hash = make_key(kind, account, *content)
    intent = Intent(kind, content_hash, content_hash, as_shown(label), memo=memo or {}, cost=cost, slot_use=slot_use)
    if caller_id in {"", external_id_of(intent, 1)}:  # an agent may pass back the id that we made
        return intent
    # Without the kind: Kling keeps one namespace of external ids for all products. fact: gen-external-id
    return replace(intent, key=make_key("caller's id", account, caller_id), caller_id=caller_id)


def make_key(kind: str, account: str, *content: object) -> str:
    """52 characters of lower-case Base32: safe in a path and in a name."""
    text = json.dumps([VERSION, kind, account, *content], ensure_ascii=False)
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=").lower()


def external_id_of(intent: Intent, attempt: int) -> str:
    """The id that is sent to Kling: the caller's own, or one derived from the identity."""
    return id_of_attempt(intent.caller_id or ID_PREFIX + intent.key[:28], attempt)


def id_of_attempt(first_id: str, attempt: int) -> str:
    """The external task id of an attempt, from that of the first one."""
    ending = "" if attempt == 1 else f"-{attempt}"
    return first_id[: MAX_EXTERNAL_TASK_ID_CHARACTERS - len(ending)] + ending
