"""Every way a call can fail, as classes that say who must act.

This module only describes failures; it never logs, retries or decides.

    KlingError                  kind, created, retry, code, request_id, advice
    ├── ConfigurationError      the settings: missing_credentials, read_only, bad_input
    ├── InputError              bad_input; .problems lists them all
    ├── NameTakenError          name_taken; .candidates
    ├── AmbiguousNameError      ambiguous_name; .candidates
    ├── NotFoundError           not_found; .candidates
    ├── LimitError              limit or busy, refused here before anything was sent
    ├── OverBudgetError         over_budget; nothing was sent
    ├── ConfirmationError       needs_confirmation; nothing was sent
    ├── ConnectionFailedError   network; no connection was made, so nothing was sent
    ├── LostReplyError          network; a look-up was sent and its reply was lost
    ├── UnknownOutcomeError     unknown_outcome; .external_task_id
    │   └── StillSendingError   the time ran out while the request was being sent, which goes on; .sent
    ├── UnexpectedReplyError    vendor_fault; .body holds a capped copy
    ├── StorageError            internal; the state folder cannot be used, nothing was sent
    ├── TaskFailedError         task_failed; .task_id
    ├── ResultError             a finished result was not saved; kind says whose matter that is
    ├── CallbackError           bad_input; signature, age or body of a callback; .http_status
    └── ApiError                Kling's own refusal: .http_status, .vendor_message, .retry_after
        ├── AuthError           auth: the credentials are not accepted
        ├── ClockError          clock: the signed token is too old or not yet valid
        ├── AccountError        permission, balance
        ├── RequestError        bad_input, not_found: the request must change
        ├── ContentError        content_policy: the material must change
        ├── RateLimitError      rate_limited: slow down; nothing was done
        ├── BusyError           busy: too many at once; nothing was done
        └── ServerError         vendor_fault: Kling failed; a creation may have happened

The class says who must act, Kling's code what happened.
A wait that runs out of time is a result, not an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from kling_mcp.guide import guide_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from kling_mcp.guide import Topic

Kind = Literal[
    "missing_credentials",
    "auth",
    "clock",
    "permission",
    "balance",
    "bad_input",
    "content_policy",
    "rate_limited",
    "busy",
    "not_found",
    "name_taken",
    "ambiguous_name",
    "read_only",
    "network",
    "vendor_fault",
    "unknown_outcome",
    "task_failed",
    "stale_plan",
    "limit",
    "needs_confirmation",
    "over_budget",
    "internal",
]
Created = Literal["no", "yes", "maybe"]
Retry = Literal["never", "later", "now"]

MAX_PROBLEMS_LISTED = 20

_CREATED_SENTENCE: dict[Created, str] = {
    "no": "Nothing was created.",
    "yes": "The element was created.",
    "maybe": "It is not known whether an element was created.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with the input: the argument, the rule, what was given, and the fix."""

    argument: str
    rule: str
    actual: str
    fix: str

    def __str__(self) -> str:
        return f"{self.argument}: {self.rule}; got {self.actual}. Fix: {self.fix}"


class Details(TypedDict, total=False):
    """What every error may say besides its message; omitted or None means the default of its class."""

    kind: Kind | None
    created: Created | None
    retry: Retry | None
    code: int | None
    request_id: str
    advice: str
    pointer: str
    topic: Topic


class KlingError(Exception):
    """The base class. `str()` is one line for a log, without secrets; `for_caller()` is what an agent reads.

    Attributes:
        kind, created, retry: values of the public contract.
        code: Kling's code, or None if there is none.
        request_id: Kling's id of the request, or "".
        advice: what to do next, in one or two sentences.
        pointer: which tool says more, as a sentence; left out where the reader has just used it.
        topic: where docs/troubleshooting.md says more.
    """

    kind: Kind = "internal"
    created: Created = "no"
    retry: Retry = "never"
    code: int | None = None
    request_id: str = ""
    advice: str = ""
    pointer: str = ""
    topic: Topic = ""

    def __init__(self, message: str, **details: Unpack[Details]) -> None:
        super().__init__(message)
        self.message = message
        self.kind = details.get("kind") or self.kind
        self.created = details.get("created") or self.created
        self.retry = details.get("retry") or self.retry
        self.code = details.get("code")
        self.request_id = details.get("request_id", "")
        self.advice = details.get("advice") or self.advice
        self.pointer = details.get("pointer") or self.pointer
        self.topic = details.get("topic") or self.topic

    def created_sentence(self) -> str:
        """Whether anything was created, in words."""
        return _CREATED_SENTENCE[self.created]

    def last_line(self) -> str:
        """The last line of every failed answer, for programs (contract, "Errors")."""
        code = "-" if self.code is None else str(self.code)
        return (
            f"kind={self.kind} created={self.created} retry={self.retry} "
            f"code={code} request_id={self.request_id or '-'}"
        )

    def for_caller(self, *, may_create: bool = True) -> str:
        """What happened, whether anything was created, and what to do next; then the line for programs.

        Args:
            may_create: whether the call could have created anything; otherwise only the last line speaks of it.
        """
        created = self.created_sentence() if may_create else ""
        next_step = " ".join(filter(None, [self.advice, self.pointer]))
        told = [self.message, created, next_step, guide_to(self.topic)]
        return "\n".join([*filter(None, told), self.last_line()])

    def for_setup(self, where: str = "") -> str:
        """One line for the reader of `check_setup` and `kling-mcp check`; `where` says what was asked."""
        code = "" if self.code is None else f"code={self.code}"
        return f"{self.kind}: {' '.join(filter(None, [code, self.message, where, self.advice, guide_to(self.topic)]))}"


class ConfigurationError(KlingError):
    """The settings cannot be used, or forbid the call; the message names the variable."""

    kind: Kind = "bad_input"
    topic: Topic = "settings"


class InputError(KlingError):
    """The input breaks rules that can be checked before anything is sent; `problems` lists every violation.

    The text stops after `MAX_PROBLEMS_LISTED`: thousands would be unreadable.
    """

    kind: Kind = "bad_input"

    def __init__(self, problems: Sequence[Problem], *, advice: str = "") -> None:
        self.problems = tuple(problems)
        count = "One problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(f"- {told}" for told in self._told())
        super().__init__(
            f"{count} with the input:\n{lines}",
            advice=advice or "Nothing was sent. Correct the input and call again.",
        )

    def __str__(self) -> str:
        return "; ".join(self._told())

    def _told(self) -> list[str]:
        more = len(self.problems) - MAX_PROBLEMS_LISTED
        told = [str(problem) for problem in self.problems[:MAX_PROBLEMS_LISTED]]
        return [*told, f"and {more} more; correct these first."] if more > 0 else told


class _CandidatesError(KlingError):
    """Base of the errors that name the elements that could be meant."""

    def __init__(self, message: str, *, candidates: Sequence[str] = (), **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.candidates = tuple(candidates)


class NameTakenError(_CandidatesError):
    """Another element, ready or on its way, has this name."""

    kind: Kind = "name_taken"


class AmbiguousNameError(_CandidatesError):
    """Several elements have the name `named`."""

    kind: Kind = "ambiguous_name"

    def __init__(
        self, message: str, *, named: str = "", candidates: Sequence[str] = (), **details: Unpack[Details]
    ) -> None:
        super().__init__(message, candidates=candidates, **details)
        self.named = named


class NotFoundError(_CandidatesError):
    """Nothing has this id or name."""

    kind: Kind = "not_found"


class LimitError(KlingError):
    """A limit of this server was reached; nothing was sent."""

    kind: Kind = "limit"
    retry: Retry = "later"


class OverBudgetError(KlingError):
    """The request may cost more than its caller or the operator allows; nothing was sent."""

    kind: Kind = "over_budget"


class ConfirmationError(KlingError):
    """A person must agree to the price first; nothing was sent."""

    kind: Kind = "needs_confirmation"


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


class StorageError(KlingError):
    """The state folder cannot be written or read; nothing was sent to Kling."""

    kind: Kind = "internal"
    retry: Retry = "later"
    topic: Topic = "state"


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


class CallbackError(KlingError):
    """A callback that is not verified as Kling's, or cannot be used; `http_status` is the response to it."""

    kind: Kind = "bad_input"

    def __init__(self, message: str, *, http_status: int = 400, **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.http_status = http_status


class ApiError(KlingError):
    """Kling answered with a code other than success. fact: errors-code-decides"""

    kind: Kind = "vendor_fault"

    def __init__(
        self,
        message: str,
        *,
        http_status: int,
        vendor_message: str = "",
        retry_after: float | None = None,
        **details: Unpack[Details],
    ) -> None:
        super().__init__(message, **details)
        self.http_status = http_status
        self.vendor_message = vendor_message
        self.retry_after = retry_after


class AuthError(ApiError):
    """1000-1002: the credentials are not accepted."""

    kind: Kind = "auth"
    pointer: str = "check_setup shows more."
    topic: Topic = "keys-regions-and-the-clock"


class ClockError(ApiError):
    """1003, 1004: the signed token is not valid yet, or no longer. fact: jwt-clock"""

    kind: Kind = "clock"
    topic: Topic = "keys-regions-and-the-clock"


class AccountError(ApiError):
    """1100-1103, 1304: the account's state, balance or rights."""

    kind: Kind = "permission"


class RequestError(ApiError):
    """1200-1203: the request itself."""

    kind: Kind = "bad_input"


class ContentError(ApiError):
    """1300, 1301: Kling's content rules."""

    kind: Kind = "content_policy"


class RateLimitError(ApiError):
    """1302: too many requests per time; nothing was done."""

    kind: Kind = "rate_limited"
    retry: Retry = "later"


class BusyError(ApiError):
    """1303: too many at once; nothing was done. fact: slots-refused"""

    kind: Kind = "busy"
    retry: Retry = "later"


class ServerError(ApiError):
    """5000-5002: Kling failed; a creation may have happened anyway. fact: retry-create"""

    kind: Kind = "vendor_fault"
    retry: Retry = "later"
