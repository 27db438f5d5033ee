"""Traces and metrics: what operators need, and nothing of anybody's names, ids, pictures or secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import CANARIES, Connect, Pictures, last_line, structured
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from kling_mcp.observability import telemetry
from kling_mcp.simulator import Faults

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

    Point = NumberDataPoint | HistogramDataPoint

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]

# A process has one provider of each, and takes them once.
_SPANS, _READER = InMemorySpanExporter(), InMemoryMetricReader()


@dataclass(frozen=True, slots=True)
class Told:
    """What an operator's collector was told since the test began."""

    before: dict[str, float]

    @staticmethod
    def spans(prefix: str) -> list[ReadableSpan]:
        return [span for span in _SPANS.get_finished_spans() if span.name.startswith(prefix)]

    def span(self, name: str) -> ReadableSpan:
        [found] = self.spans(name)
        return found

    @staticmethod
    def points(name: str) -> list[Point]:
        return [point for metric, point in _points() if metric == name]

    def count(self, name: str, **attributes: object) -> float:
        """How much a counter, or the count of a histogram, has grown under these attributes."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        key = _key(name, wanted)
        return _totals().get(key, 0) - self.before.get(key, 0)


def _points() -> Iterator[tuple[str, Any]]:
    data = _READER.get_metrics_data()
    for resource in data.resource_metrics if data else []:
        for scope in resource.scope_metrics:
            if scope.scope.name == telemetry.NAME:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        yield metric.name, point


def _key(name: str, attributes: Any) -> str:
    return f"{name} {sorted(dict(attributes).items())}"


def _totals() -> dict[str, float]:
    return {
        _key(name, point.attributes): point.count if hasattr(point, "count") else point.value
        for name, point in _points()
    }


@pytest.fixture(scope="module")
def _collector() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_SPANS))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([_READER]))


@pytest.fixture
def told(_collector: None) -> Told:
    _SPANS.clear()
    return Told(_totals())


async def test_tool_call_is_traced_with_its_requests(told: Told, connect: Connect, creation: dict[str, Any]) -> None:
    async with connect() as client:
        made = structured(await client.call_tool("create_element_and_wait", {**creation, "wait_seconds": 300}))
    span = told.span("kling_mcp.tool")
    requests = told.spans("kling_mcp.kling")
    assert span.attributes is not None
    assert span.name == "kling_mcp.tool create_element_and_wait"
    assert span.attributes["outcome"] == "ok"
    assert span.attributes["kling.requests"] == len(requests)
    assert span.attributes["waited_seconds"] == made["waited_seconds"]
    assert {request.name for request in requests} >= {"kling_mcp.kling create", "kling_mcp.kling query"}
    assert span.context is not None
    assert {request.parent.span_id for request in requests if request.parent} == {span.context.span_id}
    assert told.count("kling_mcp.tool.calls", tool="create_element_and_wait", outcome="ok") == 1
    assert told.count("kling_mcp.tool.duration", tool="create_element_and_wait", outcome="ok") == 1
    assert told.count("kling_mcp.tool.waited", tool="create_element_and_wait") == 1
    created = {"operation": "create", "outcome": "ok", "http.response.status_code": 200}
    assert told.count("kling_mcp.kling.requests", **created) == 1
    assert told.count("kling_mcp.kling.duration", **created) == 1


async def test_refusal_is_traced_with_klings_code_and_without_its_text(
    told: Told, connect: Connect, faults: Faults
) -> None:
    faults.reply_code(1101, route="list")
    async with connect() as client:
        failed = last_line(await client.call_tool("list_elements"))
    tool, request = told.span("kling_mcp.tool"), told.span("kling_mcp.kling")
    assert tool.attributes is not None
    assert request.attributes is not None
    assert tool.attributes["kind"] == failed["kind"] == request.attributes["kind"]
    assert tool.attributes["kling.code"] == 1101 == request.attributes["kling.code"]
    for span in (tool, request):
        assert span.status.status_code is StatusCode.ERROR
        assert not span.status.description
        assert not span.events
    assert (
        told.count("kling_mcp.tool.calls", tool="list_elements", outcome="error", kind="balance", kling__code=1101) == 1
    )


async def test_connection_that_fails_has_no_status(told: Told, connect: Connect, faults: Faults) -> None:
    faults.refuse_connection(times=None)
    async with connect() as client:
        await client.call_tool("list_elements")
    requests = told.spans("kling_mcp.kling")
    assert requests
    for request in requests:
        assert request.attributes is not None
        assert "http.response.status_code" not in request.attributes
        assert (request.attributes["outcome"], request.attributes["kind"]) == ("error", "network")


async def test_cancelled_call_is_counted_as_abandoned(
    told: Told, connect: Connect, creation: dict[str, Any], faults: Faults
) -> None:
    faults.delay(60, route="create")
    async with connect() as client:
        with anyio.move_on_after(3):
            await client.call_tool("create_element", creation)
        await anyio.sleep(1)
    assert told.count("kling_mcp.tool.calls", tool="create_element", outcome="abandoned") == 1
    assert told.count("kling_mcp.kling.requests", operation="create", outcome="abandoned") == 1


async def test_telemetry_holds_no_text_of_callers(
    told: Told, connect: Connect, creation: dict[str, Any], pictures: Pictures
) -> None:
    link = "https://example.com/LINK-CANARY.jpg?sig=CANARY"
    wish = {**creation, "element_name": "NAME-CANARY", "element_description": "TEXT-CANARY"}
    async with connect() as client:
        made = structured(await client.call_tool("create_element_and_wait", {**wish, "wait_seconds": 300}))
        await client.call_tool("create_element", {**wish, "frontal_image": link, "refer_images": [link]})
        await client.call_tool("get_element", {"id": "NAME-CANARY"})
        await client.call_tool("delete_element", {"element_id": made["element_ids"][0], "element_name": "CANARY"})
        await client.call_tool("list_elements", {"CANARY": 1})
        account = dict(made)
    ours = told.spans("kling_mcp.")
    written = str([(span.name, span.attributes, span.status.description, span.events) for span in ours]) + str(
        [(name, point.attributes) for name, point in _points()]
    )
    assert len(ours) > 8
    assert "CANARY" not in written
    private = [*CANARIES, *account["element_ids"], account["task_id"], account["external_task_id"], "klingai.com"]
    assert not [text for text in (*private, str(pictures.folder)) if text in written]


@pytest.mark.usefixtures("told")
def test_every_metric_and_attribute_is_explained() -> None:
    """docs/operating.md is what people build their dashboards with."""
    source = Path(telemetry.__file__).read_text("utf-8")
    made = set(re.findall(r'"(kling_mcp\.[a-z.]+)", "', source))
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert made
    assert set(re.findall(r"^\| `(kling_mcp\.[a-z.]+)`", page, re.MULTILINE)) == made
    told = {"tool", "outcome", "kind", "kling.code", "operation", "http.response.status_code"}
    assert [name for name in told if f"`{name}`" not in page] == []


def test_callbacks_are_counted_by_what_became_of_them(told: Told) -> None:
    for outcome in ("woke", "woke", "refused"):
        telemetry.count_callback(outcome)
    assert told.count("kling_mcp.callbacks", outcome="woke") == 2
    assert told.count("kling_mcp.callbacks", outcome="refused") == 1


async def test_requests_outside_of_tool_calls_are_counted_too(told: Told, account: Any) -> None:
    await account.client.list_elements()
    assert (
        told.count("kling_mcp.kling.requests", operation="list", outcome="ok", **{"http.response.status_code": 200})
        == 1
    )
