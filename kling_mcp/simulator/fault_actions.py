"""What can go wrong with one request, as plain values.

`faults` arms them and uses them up; the app, the transport and the server carry them out.
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
    """Decides the reply, if any; one request has at most one."""

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
    """This reply instead of the real one. `code` 0 means that the body is not the vendor's envelope."""

    status: int
    code: int = 0
    message: str = ""
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    after_commit: bool = False


@dataclass(frozen=True, slots=True)
class Malform(ReplyAction):
    """The real reply, malformed."""

    shape: Shape
    status: int
    after_commit: bool


@dataclass(frozen=True, slots=True)
class Cut(Action):
    """The connection ends after this much of the reply's body."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Trickle(Action):
    """The reply's body comes in small pieces, with a pause before each."""

    piece_bytes: int
    seconds: float


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
    """The Date header has this text; empty: there is no header."""

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
    """At most this many creations may run at once."""

    most: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What will go wrong with one request. `names` are the faults that were used for it."""

    reply: ReplyAction | None = None
    delay: Delay | None = None
    skew_seconds: float = 0.0
    date: FalseDate | None = None
    cut: Cut | None = None
    trickle: Trickle | None = None
    names: tuple[str, ...] = ()
