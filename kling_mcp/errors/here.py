"""What is refused or fails on this side: nothing was sent to Kling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors.base import MAX_PROBLEMS_LISTED, KlingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from kling_mcp.errors.base import Details, Kind, Problem, Retry
    from kling_mcp.guide import Topic


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


class StorageError(KlingError):
    """The state folder cannot be written or read; nothing was sent to Kling."""

    kind: Kind = "internal"
    retry: Retry = "later"
    topic: Topic = "state"


class CallbackError(KlingError):
    """A callback that is not verified as Kling's, or cannot be used; `http_status` is the response to it."""

    kind: Kind = "bad_input"

    def __init__(self, message: str, *, http_status: int = 400, **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.http_status = http_status
