"""What every failure can say, and the text that a caller reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from kling_mcp.guide import guide_to

if TYPE_CHECKING:
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
    "yes": "It was created.",
    "maybe": "It is not known whether anything was created.",
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
