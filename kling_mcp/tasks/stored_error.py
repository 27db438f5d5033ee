"""The stored form of an error: its fields without its text, which may quote secrets. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from kling_mcp.errors import Created, Kind, Retry


@dataclass(frozen=True, slots=True)
class StoredError:
    """The fields of an error, as `KlingError` has them."""

    kind: Kind
    created: Created
    retry: Retry
    code: int | None = None
    request_id: str = ""

    @classmethod
    def of(cls, error: KlingError) -> StoredError:
        """The fields of this error."""
        return cls(error.kind, error.created, error.retry, error.code, error.request_id)

    @classmethod
    def from_json(cls, text: str) -> StoredError | None:
        """What `to_json` wrote; None for "" and for damaged text."""
        if not text:
            return None
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(**fields)
        except (ValueError, TypeError):
            return None

    def to_json(self) -> str:
        """As text for a database."""
        return json.dumps(asdict(self))

    def to_error(self, message: str, *, advice: str) -> KlingError:
        """An error with these fields and another text."""
        return KlingError(message, advice=advice, **asdict(self))
