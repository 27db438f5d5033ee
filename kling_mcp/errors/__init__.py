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

from kling_mcp.errors.base import MAX_PROBLEMS_LISTED, Created, Details, Kind, KlingError, Problem, Retry
from kling_mcp.errors.exchange import (
    ConnectionFailedError,
    LostReplyError,
    ResultError,
    StillSendingError,
    TaskFailedError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.errors.here import (
    AmbiguousNameError,
    CallbackError,
    ConfigurationError,
    ConfirmationError,
    InputError,
    LimitError,
    NameTakenError,
    NotFoundError,
    OverBudgetError,
    StorageError,
)
from kling_mcp.errors.refusals import (
    AccountError,
    ApiError,
    AuthError,
    BusyError,
    ClockError,
    ContentError,
    RateLimitError,
    RequestError,
    ServerError,
)

__all__ = [
    "MAX_PROBLEMS_LISTED",
    "AccountError",
    "AmbiguousNameError",
    "ApiError",
    "AuthError",
    "BusyError",
    "CallbackError",
    "ClockError",
    "ConfigurationError",
    "ConfirmationError",
    "ConnectionFailedError",
    "ContentError",
    "Created",
    "Details",
    "InputError",
    "Kind",
    "KlingError",
    "LimitError",
    "LostReplyError",
    "NameTakenError",
    "NotFoundError",
    "OverBudgetError",
    "Problem",
    "RateLimitError",
    "RequestError",
    "ResultError",
    "Retry",
    "ServerError",
    "StillSendingError",
    "StorageError",
    "TaskFailedError",
    "UnexpectedReplyError",
    "UnknownOutcomeError",
]
