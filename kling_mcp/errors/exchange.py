"""What goes wrong between here and Kling, and what is wrong with a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors.base import KlingError

if TYPE_CHECKING:
    from typing import Unpack

    from kling_mcp.errors.base import Created, Details, Kind, Retry
    from kling_mcp.guide import Topic


class ConnectionFailedError(KlingError):
    """No connection to Kling was made, so nothing can have happened there."""

    kind: Kind = "network"
    topic: Topic = "addresses"
    retry: Retry = "now"


class LostReplyError(KlingError):
    """A look-up was sent and its reply was lost; a look-up changes nothing, so repeating it is safe."""

    kind: Kind = "network"
    retry: Retry = "now"
    advice: str = "Call again."
    topic: Topic = "sleep-and-interruptions"


class UnknownOutcomeError(KlingError):
    """A request that changes something was sent and its reply was lost.

    `external_task_id` identifies a creation for a look-up; it is "" for a deletion.
    `still_at_work` says that Kling may still be working on the request: it did not answer, but did not disconnect.
    """

    kind: Kind = "unknown_outcome"
    created: Created = "maybe"
    retry: Retry = "later"

    def __init__(
        self,
        message: str,
        *,
        external_task_id: str = "",
        still_at_work: bool = False,
        **details: Unpack[Details],
    ) -> None:
        super().__init__(message, **details)
        self.external_task_id = external_task_id
        self.still_at_work = still_at_work


class StillSendingError(UnknownOutcomeError):
    """The call's time ran out while its request was on its way, which it still is.

    `sent` says how far it has come, such as `3.1 of 6.5 MB`, or is "".
    """

    def __init__(self, message: str, *, external_task_id: str = "", sent: str = "", **details: Unpack[Details]) -> None:
        super().__init__(message, external_task_id=external_task_id, still_at_work=True, **details)
        self.sent = sent


class UnexpectedReplyError(KlingError):
    """The reply is not in Kling's format: a proxy's page, a truncated body, a missing field.

    `body` keeps at most 300 characters of it, cleaned, for the log.
    """

    kind: Kind = "vendor_fault"
    retry: Retry = "later"

    def __init__(self, message: str, *, http_status: int, body: str = "", **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.http_status = http_status
        self.body = body


class TaskFailedError(KlingError):
    """Kling accepted the task and then refused its inputs. fact: failed-has-no-code"""

    kind: Kind = "task_failed"

    def __init__(self, message: str, *, task_id: str, external_task_id: str = "", **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.task_id = task_id
        self.external_task_id = external_task_id


class ResultError(KlingError):
    """A finished result could not be saved; its task is done and paid, and stays known."""

    kind: Kind = "network"
    created: Created = "yes"

    def created_sentence(self) -> str:
        """Whether anything was created, in words."""
        return "The result was made, and is not saved here."
