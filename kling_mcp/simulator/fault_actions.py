"""What can go wrong with one request, as plain values.

Arming and using up is the business of `faults`; playing is that of the app, the transport and the server.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Ending = Literal["closed", "reset", "hang"]
Shape = Literal[
    "html",
    "empty",
    "truncated",
    "array",
    "no-data",
    "null-data",
    "wrong-data",
    "wrong-fields",
    "wrong-code",
    "bad-utf8",
]
SHAPES: tuple[Shape, ...] = get_args(Shape)

PROXY_PAGE = "<html><head><title>{status}</title></head><body><center>nginx</center></body></html>"


class Action:
    """Something that goes wrong with one request."""

    __slots__ = ()


class ReplyAction(Action):
    """Decides what reply comes, if any; one request has at most one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Refuse(ReplyAction):
    """No connection is made."""

    timeout: bool


@dataclass(frozen=True, slots=True)
class Lose(ReplyAction):
    """The connection ends without a reply."""

    after_commit: bool
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(ReplyAction):
    """This reply instead of the true one. `code` 0 means that the body is no vendor's envelope."""

    status: int
    code: int = 0
    message: str = ""
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    after_commit: bool = False


@dataclass(frozen=True, slots=True)
class Malform(ReplyAction):
    """The true reply, spoilt."""

    shape: Shape
    status: int
    after_commit: bool


@dataclass(frozen=True, slots=True)
class Delay(Action):
    """The reply comes late; the work is done before or after the wait."""

    seconds: float
    after_commit: bool


@dataclass(frozen=True, slots=True)
class Skew(Action):
    """The server's clock is wrong by this much."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FalseDate(Action):
    """The Date header holds this text; empty: there is none."""

    text: str


@dataclass(frozen=True, slots=True)
class Fail(Action):
    """The task is accepted and ends as failed."""

    message: str


@dataclass(frozen=True, slots=True)
class Slow(Action):
    """The task takes this long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Slots(Action):
    """So many creations may run at once."""

    most: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What will go wrong with one request. `names` are those of the faults that were used for it."""

    reply: ReplyAction | None = None
    delay: Delay | None = None
    skew_seconds: float = 0.0
    date: FalseDate | None = None
    names: tuple[str, ...] = ()
