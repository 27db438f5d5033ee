"""Records each tool call and each read of an account's resource in telemetry and the audit log.

Only ids and outcomes are recorded; never arguments, names, links or error texts.
A call that changes something is recorded before it begins, and does not begin if that fails.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.auth.middleware.auth_context import get_access_token

from kling_mcp.errors import ConfigurationError, StorageError
from kling_mcp.observability import telemetry
from kling_mcp.sanitize import clean
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kling_mcp.errors import KlingError
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.server.tool import ToolSpec
    from kling_mcp.server.tool_context import ToolContext

logger = logging.getLogger(__name__)

_MAX_IDS = 20
_MAX_ID_CHARACTERS = 128
_IDS = ("task_id", "external_task_id", "voice_id")
_FIELDS = (*_IDS, "element_ids", "element_id", "outcome", "waited_seconds")
_MADE_SOMETHING = {"submitted", "recovered"}


@dataclass(frozen=True, slots=True)
class ResourceRead:
    """A read of a resource."""

    name: str
    changes_something: bool = False
    may_create: bool = False


class CallRecorder:
    """One call."""

    def __init__(self, spec: ToolSpec | ResourceRead, call: ToolContext, record: telemetry.ToolCallRecord) -> None:
        self._spec = spec
        self._call = call
        self._record = record
        self._result: dict[str, object] = {"outcome": telemetry.ABANDONED, "created": self._worst}
        self._is_written = False
        self._who: dict[str, object] = {}

    @property
    def _worst(self) -> str:
        return "maybe" if self._spec.may_create else "no"

    def begins(self) -> None:
        """Record what is about to happen, if it may change something.

        Raises:
            StorageError: it could not be recorded, so it must not happen.
        """
        if self._call.runtime.audit is None:
            return
        self._who = self._seen_from_outside()
        if self._spec.changes_something:
            self._call.runtime.audit.write({"event": "begin", **self._who})
        self._is_written = True

    def answered(self, view: View | LibraryElement) -> None:
        """The tool returned a result, or the resource was read."""
        self._record.outcome = "ok"
        fields = _fields_of(view)
        self._record.waited_seconds = float(fields.get("waited_seconds") or 0.0)
        if self._is_written:
            created = self._spec.may_create and fields.get("outcome") in _MADE_SOMETHING
            self._result = {"outcome": "ok", "created": "yes" if created else "no", **_ids_in(fields)}

    def failed(self, error: KlingError) -> None:
        """The tool ended with an error."""
        self._record.failed(error)
        self._result = {"outcome": error.kind, "created": error.created, **_ids_in(_fields_of(error))}
        if error.code is not None:
            self._result["code"] = error.code
        if error.request_id:
            self._result["request_id"] = error.request_id

    def ends(self) -> None:
        """Record how it ended. It has already happened, so only the operator learns that the log failed."""
        audit = self._call.runtime.audit
        if audit is None or not self._is_written:
            return
        event = "end" if self._spec.changes_something else "call"
        if self._record.change_ids:
            self._result["request_id"] = self._record.change_ids[-1]
        try:
            audit.write({"event": event, **self._who, **self._result})
        except StorageError:  # the log has the reason
            logger.error("A call of %s is missing from the audit log.", self._spec.name)  # noqa: TRY400 - as said

    def _seen_from_outside(self) -> dict[str, object]:
        spec = self._spec
        who: dict[str, object] = {
            "call": secrets.token_hex(8),
            "tool": spec.name,
            "effect": "changes" if spec.changes_something else "reads",
        }
        try:
            who["account"] = self._call.account.client.account
        except ConfigurationError:
            who["account"] = ""
        if token := get_access_token():
            who["caller"] = clean(token.subject or token.client_id, _MAX_ID_CHARACTERS)
        return who


@contextmanager
def record_call(spec: ToolSpec | ResourceRead, call: ToolContext) -> Iterator[CallRecorder]:
    """The block is the call; it reports its outcome, and no report means that the caller went away."""
    with telemetry.tool_call(spec.name, call.clock) as record:
        recorder = CallRecorder(spec, call, record)
        try:
            yield recorder
        finally:
            recorder.ends()


def _fields_of(result: object) -> Mapping[str, Any]:
    """What is recorded of a view, an error or an element; a view takes its time to say that it has no such field."""
    return vars(result) if isinstance(result, View) else {name: getattr(result, name, None) for name in _FIELDS}


def _ids_in(fields: Mapping[str, Any]) -> dict[str, object]:
    """The ids among these fields, as text of limited length."""
    found: dict[str, object] = {}
    ids = fields.get("element_ids") or [fields.get("element_id")]
    if shown := [clean(str(value), _MAX_ID_CHARACTERS) for value in ids[:_MAX_IDS] if value]:
        found["element_ids"] = shown
    for name in _IDS:
        if value := fields.get(name):
            found[name] = clean(str(value), _MAX_ID_CHARACTERS)
    return found
