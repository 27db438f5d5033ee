"""Traces and metrics for operators, through OpenTelemetry's API: nothing happens unless an SDK is installed.

Recorded: which tool, its outcome, Kling's code, how long it took, how many requests it sent. Never recorded: names,
pictures, links, ids of elements, tasks, accounts or people, and error texts.
docs/operating.md lists every metric; a test compares.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from kling_mcp._version import __version__
from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.trace import Span, Tracer

    from kling_mcp.concurrency.clock import Clock

    Attributes = dict[str, str | int | float | bool]

NAME = "kling_mcp"
ABANDONED = "abandoned"  # the caller went away, or the server ended


@dataclass(slots=True)
class ToolCallRecord:
    """One tool call; `outcome` is `ok`, `error` or `abandoned`, `kind` is the error kind of the contract."""

    tool: str
    outcome: str = ABANDONED
    kind: str = ""
    code: int | None = None
    waited_seconds: float = 0.0
    requests_sent: int = 0
    change_ids: list[str] = field(default_factory=list)  # Kling's ids of requests that change something; not exported

    def failed(self, error: KlingError) -> None:
        """Record the error that ended the call."""
        self.outcome, self.kind, self.code = "error", error.kind, error.code

    @property
    def attributes(self) -> Attributes:
        """The attributes of metrics: few values each."""
        told: Attributes = {"tool": self.tool, "outcome": self.outcome}
        if self.kind:
            told["kind"] = self.kind
        if self.code is not None:
            told["kling.code"] = self.code
        return told


@dataclass(slots=True)
class Exchange:
    """One request to Kling; `request_id` is Kling's, for the audit log, and not exported."""

    operation: str
    http_status: int | None = None
    request_id: str = ""


_current: ContextVar[ToolCallRecord | None] = ContextVar("kling_mcp_tool_call", default=None)


@dataclass(frozen=True, slots=True)
class _Instruments:
    tool_calls: Counter
    tool_seconds: Histogram
    waited_seconds: Histogram
    kling_requests: Counter
    kling_seconds: Histogram
    callbacks: Counter


@cache
def _tracer() -> Tracer:
    """A proxy: it starts working when an SDK is installed, even later."""
    from opentelemetry import trace  # noqa: PLC0415 - the library starts without it

    return trace.get_tracer(NAME, __version__)


def _instruments() -> _Instruments | None:
    """None as long as nothing else has loaded OpenTelemetry's metrics, as an SDK does: then nothing would read them."""
    return _make_instruments() if "opentelemetry.metrics" in sys.modules else None


@cache
def _make_instruments() -> _Instruments:
    """Proxies, as above."""
    from opentelemetry import metrics  # noqa: PLC0415 - loaded already

    meter = metrics.get_meter(NAME, __version__)
    return _Instruments(
        tool_calls=meter.create_counter("kling_mcp.tool.calls", "{call}", "tool calls, by outcome"),
        tool_seconds=meter.create_histogram("kling_mcp.tool.duration", "s", "how long tool calls took"),
        waited_seconds=meter.create_histogram("kling_mcp.tool.waited", "s", "how long calls waited for elements"),
        kling_requests=meter.create_counter("kling_mcp.kling.requests", "{request}", "requests sent to Kling"),
        kling_seconds=meter.create_histogram("kling_mcp.kling.duration", "s", "how long Kling took to answer"),
        callbacks=meter.create_counter("kling_mcp.callbacks", "{callback}", "callbacks, by outcome"),
    )


@contextmanager
def tool_call(tool: str, clock: Clock) -> Iterator[ToolCallRecord]:
    """A span and the metrics of a tool call; the block records its outcome in the yielded record."""
    call = ToolCallRecord(tool)
    started = clock.monotonic()
    token = _current.set(call)
    with _span(f"kling_mcp.tool {tool}") as span:
        try:
            yield call
        finally:
            _current.reset(token)
            span.set_attributes({**call.attributes, "kling.requests": call.requests_sent})
            span.set_attribute("waited_seconds", call.waited_seconds)
            _mark(span, failed=call.outcome == "error")
            if of := _instruments():
                of.tool_calls.add(1, call.attributes)
                of.tool_seconds.record(clock.monotonic() - started, call.attributes)
                if call.waited_seconds:
                    of.waited_seconds.record(call.waited_seconds, {"tool": tool})


@contextmanager
def kling_request(operation: str, clock: Clock) -> Iterator[Exchange]:
    """A span and the metrics of one request; errors pass through. Counted for the tool call that it serves.

    Waits of one account share their polls, so a request counts for the call that happened to send it.
    """
    exchange = Exchange(operation)
    started = clock.monotonic()
    told: Attributes = {"operation": operation, "outcome": ABANDONED}
    call = _current.get()
    if call is not None:
        call.requests_sent += 1
    with _span(f"kling_mcp.kling {operation}") as span:
        try:
            yield exchange
            told["outcome"] = "ok"
        except KlingError as error:
            told |= {"outcome": "error", "kind": error.kind}
            if error.code is not None:
                told["kling.code"] = error.code
            exchange.request_id = exchange.request_id or error.request_id
            raise
        finally:
            if exchange.http_status is not None:
                told["http.response.status_code"] = exchange.http_status
            if call is not None and exchange.request_id and operation in {"create", "delete"}:
                call.change_ids.append(exchange.request_id)
            span.set_attributes(told)
            _mark(span, failed=told["outcome"] == "error")
            if of := _instruments():
                of.kling_requests.add(1, told)
                of.kling_seconds.record(clock.monotonic() - started, told)


def count_callback(outcome: str) -> None:
    """One callback: `woke`, `repeated`, `unknown`, or why it was refused."""
    if of := _instruments():
        of.callbacks.add(1, {"outcome": outcome})


def _span(name: str) -> AbstractContextManager[Span]:
    """A span that keeps no error: its text may quote a caller. Without an SDK it is none, at no cost."""
    from opentelemetry import trace  # noqa: PLC0415 - loaded already

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return nullcontext(trace.INVALID_SPAN)
    return _tracer().start_as_current_span(name, record_exception=False, set_status_on_exception=False)


def _mark(span: Span, *, failed: bool) -> None:
    if failed:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - loaded already

        span.set_status(StatusCode.ERROR)
