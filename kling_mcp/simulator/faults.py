"""Named faults: armed by a test, a person or the control route, and used up one request at a time.

Decides what goes wrong with which request; the app and the transport carry it out. The order is deterministic: the
first armed fault of each family that fits the request is used, and at most one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from kling_mcp.simulator.codes import CODES
from kling_mcp.simulator.fault_actions import (
    PROXY_PAGE,
    SHAPES,
    Action,
    Answer,
    Cut,
    Delay,
    Ending,
    Fail,
    FalseDate,
    Lose,
    Malform,
    Plan,
    Refuse,
    ReplyAction,
    Shape,
    Skew,
    Slots,
    Slow,
    Trickle,
)
from kling_mcp.simulator.routes import ANY, ANY_CREATE, ROUTE_NAMES, covers

A = TypeVar("A", bound=Action)


@dataclass(slots=True, eq=False)
class Fault:
    """An armed fault. `left` counts down; None means forever."""

    name: str
    route: str
    left: int | None
    action: Action
    used: int = 0

    def as_json(self) -> dict[str, object]:
        """For the control route."""
        return {"name": self.name, "route": self.route, "left": self.left, "used": self.used}


@dataclass(slots=True)
class Faults:
    """All armed faults.

    Every method arms one and returns it. `times` says for how many requests (None: for all), `route` for which
    (one of `ROUTE_NAMES`: the name of one route, `ANY`, or `ANY_CREATE`, the default of faults about creations).
    Raises ValueError for a route that does not exist.
    """

    armed: list[Fault] = field(default_factory=list)

    # ---- no connection, no reply

    def refuse_connection(self, *, timeout: bool = False, times: int | None = 1, route: str = ANY) -> Fault:
        """The connection fails, so nothing reaches the app; with `timeout` it times out."""
        return self._arm("refuse_connection", Refuse(timeout), times, route)

    def lose_reply_before_commit(self, *, ending: Ending = "closed", times: int | None = 1, route: str = ANY) -> Fault:
        """The request arrives, nothing is done, and no reply comes (fact: retry-create)."""
        return self._arm("lose_reply_before_commit", Lose(after_commit=False, ending=ending), times, route)

    def lose_reply_after_commit(self, *, ending: Ending = "closed", times: int | None = 1, route: str = ANY) -> Fault:
        """The request is carried out, but no reply comes (fact: retry-create)."""
        return self._arm("lose_reply_after_commit", Lose(after_commit=True, ending=ending), times, route)

    def lose_reply_after_create(
        self, *, ending: Ending = "closed", times: int | None = 1, route: str = ANY_CREATE
    ) -> Fault:
        """`lose_reply_after_commit` for creations."""
        return self.lose_reply_after_commit(ending=ending, times=times, route=route)

    # ---- another reply

    def reply_status(
        self,
        status: int = 502,
        *,
        body: str | None = None,
        after_commit: bool = False,
        times: int | None = 1,
        route: str = ANY,
    ) -> Fault:
        """A proxy answers with a status and a page (fact: envelope-not-json)."""
        page = PROXY_PAGE.format(status=status) if body is None else body
        action = Answer(status=status, body=page, after_commit=after_commit)
        return self._arm("reply_status", action, times, route)

    def reply_code(
        self,
        code: int,
        *,
        message: str = "",
        http_status: int = 0,
        retry_after: str = "",
        after_commit: bool = False,
        times: int | None = 1,
        route: str = ANY,
    ) -> Fault:
        """Any code of the table, with its HTTP status or another one (facts: code-table, envelope-http).

        Raises ValueError for a code that is not in the table.
        """
        if code not in CODES:
            raise ValueError(f"{code} is not in the vendor's table")
        action = Answer(
            status=http_status or CODES[code].http_status,
            code=code,
            message=message or CODES[code].message,
            headers=(("retry-after", retry_after),) if retry_after else (),
            after_commit=after_commit,
        )
        return self._arm("reply_code", action, times, route)

    def rate_limit(self, *, retry_after: str = "", times: int | None = 1, route: str = ANY) -> Fault:
        """1302, optionally with a Retry-After header (fact: retry-after-unseen)."""
        fault = self.reply_code(1302, retry_after=retry_after, times=times, route=route)
        fault.name = "rate_limit"
        return fault

    def malformed(
        self,
        shape: Shape = "html",
        *,
        status: int = 200,
        after_commit: bool = True,
        times: int | None = 1,
        route: str = ANY,
    ) -> Fault:
        """A reply without an envelope, or with a malformed one. Raises ValueError for an unknown shape."""
        if shape not in SHAPES:
            raise ValueError(f"unknown shape {shape}; known: {', '.join(SHAPES)}")
        return self._arm("malformed", Malform(shape, status, after_commit), times, route)

    def redirect(
        self,
        location: str = "https://elsewhere.invalid/v1/general",
        *,
        status: int = 307,
        times: int | None = 1,
        route: str = ANY,
    ) -> Fault:
        """Sends the client to another host, where its credential must not go."""
        action = Answer(status=status, headers=(("location", location),))
        return self._arm("redirect", action, times, route)

    def cut_reply(self, after_bytes: int, *, times: int | None = 1, route: str = "file") -> Fault:
        """The connection ends in the middle of the body; the reply's Content-Length is that of the whole."""
        return self._arm("cut_reply", Cut(int(after_bytes)), times, route)

    # ---- time

    def slow_body(
        self, seconds: float = 1.0, *, piece_bytes: int = 1024, times: int | None = 1, route: str = "file"
    ) -> Fault:
        """The body comes in pieces, each `seconds` after the one before."""
        return self._arm("slow_body", Trickle(int(piece_bytes), float(seconds)), times, route)

    def delay(self, seconds: float, *, after_commit: bool = False, times: int | None = 1, route: str = ANY) -> Fault:
        """The reply comes late; a client that stops waiting does not stop the server."""
        return self._arm("delay", Delay(float(seconds), after_commit), times, route)

    def clock_skew(self, seconds: float, *, times: int | None = None, route: str = ANY) -> Fault:
        """The server's clock is `seconds` ahead, in the Date header and for JWTs (fact: jwt-clock)."""
        return self._arm("clock_skew", Skew(float(seconds)), times, route)

    def garbage_date(self, text: str = "yesterday at noon", *, times: int | None = 1, route: str = ANY) -> Fault:
        """The Date header is unreadable; empty text: there is no such header."""
        return self._arm("garbage_date", FalseDate(text), times, route)

    # ---- tasks

    def fail_task(
        self,
        message: str = "Failure to pass the risk control system",
        *,
        times: int | None = 1,
        route: str = ANY_CREATE,
    ) -> Fault:
        """The next task is accepted and ends as failed (facts: msg-moderated, failed-has-no-code)."""
        return self._arm("fail_task", Fail(message), times, route)

    def slow_task(self, seconds: float, *, times: int | None = 1, route: str = ANY_CREATE) -> Fault:
        """The next task takes `seconds`; `math.inf` never ends."""
        return self._arm("slow_task", Slow(float(seconds)), times, route)

    def limit_parallel(self, most: int, *, times: int | None = None) -> Fault:
        """1303 above `most` slots of the account's elements and generations (facts: slots, slots-refused)."""
        return self._arm("limit_parallel", Slots(int(most)), times, ANY_CREATE)

    # ---- arming by name, using up

    def arm(self, name: str, **options: object) -> Fault:
        """Arm by name, as the control route does. Raises ValueError for unknown names or options."""
        method: Callable[..., Fault] | None = getattr(self, name, None) if name in FAULT_NAMES else None
        if method is None:
            raise ValueError(f"unknown fault {name}; known: {', '.join(FAULT_NAMES)}")
        try:
            return method(**options)
        except TypeError as error:  # a missing, unknown or wrongly typed option
            raise ValueError(f"{name}: {error}") from None

    def clear(self) -> None:
        """Disarm everything."""
        self.armed.clear()

    def plan(self, route: str) -> Plan:
        """Use up the faults for a request of this route."""
        names: list[str] = []
        reply = self.take(route, ReplyAction, names)
        delay = self.take(route, Delay, names)
        skew = self.take(route, Skew, names)
        date = self.take(route, FalseDate, names)
        cut = self.take(route, Cut, names)
        trickle = self.take(route, Trickle, names)
        return Plan(reply, delay, skew.seconds if skew else 0.0, date, cut, trickle, tuple(names))

    def take(self, route: str, kind: type[A], names: list[str]) -> A | None:
        """Use up the first armed fault of this kind that fits, and add its name to `names`."""
        found = self.find(route, kind)
        if found is None:
            return None
        fault, action = found
        self.use(fault, names)
        return action

    def use(self, fault: Fault, names: list[str]) -> None:
        """Count one use of an armed fault and add its name to `names`; a used-up fault is no longer armed."""
        fault.used += 1
        names.append(fault.name)
        if fault.left is not None:
            fault.left -= 1
            if not fault.left:
                self.armed.remove(fault)

    def find(self, route: str, kind: type[A]) -> tuple[Fault, A] | None:
        """The first armed fault of this kind that fits, not used up yet."""
        for fault in self.armed:
            action = fault.action
            if isinstance(action, kind) and covers(fault.route, route):
                return fault, action
        return None

    def _arm(self, name: str, action: Action, times: int | None, route: str) -> Fault:
        if route not in ROUTE_NAMES:
            raise ValueError(f"unknown route {route}; known: {', '.join(sorted(ROUTE_NAMES))}")
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError("times must be a whole number from 1, or null for always")
        fault = Fault(name, route, times, action)
        self.armed.append(fault)
        return fault


FAULT_NAMES = (
    "refuse_connection",
    "lose_reply_before_commit",
    "lose_reply_after_commit",
    "lose_reply_after_create",
    "reply_status",
    "reply_code",
    "rate_limit",
    "malformed",
    "redirect",
    "cut_reply",
    "slow_body",
    "delay",
    "clock_skew",
    "garbage_date",
    "fail_task",
    "slow_task",
    "limit_parallel",
)
