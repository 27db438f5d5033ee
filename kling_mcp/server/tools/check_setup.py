"""`check_setup`: checks credentials, region, clock and network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp._version import __version__
from kling_mcp.guide import guide_to
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.setup_report import look_at_setup
from kling_mcp.server.tool import READS, Answer, Ending, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from kling_mcp.server.setup_report import Setup

_EMPTY_LIBRARY = (
    "This account's API library is empty; elements made on Kling's web site are reported not to appear here."
)


class NoArguments(ToolArguments):
    """No arguments."""


class SetupView(View):
    """The result, with problems in plain sentences; what needs no change is in the notes."""

    SHOWN = ("ok",)

    ok: bool
    version: str
    region: str
    base_url: str
    credential: str
    clock_skew_seconds: float
    elements: int
    problems: list[str]
    notes: list[str]


@tool(
    "check_setup",
    title="Check the setup",
    annotations=READS,
    arguments=NoArguments,
    view=SetupView,
    search_hint="login key diagnose",
)
async def check_setup(arguments: NoArguments, call: ToolContext) -> Answer:
    """Check credentials, region, clock and network; free. For errors about these."""
    setup = await look_at_setup(call.runtime, lambda: call.account)
    library = [_EMPTY_LIBRARY] if setup.ok and not setup.elements else []
    view = SetupView(
        ok=setup.ok,
        version=__version__,
        region=setup.region,
        base_url=setup.base_url,
        credential=setup.credential,
        clock_skew_seconds=setup.clock_skew_seconds,
        elements=setup.elements,
        problems=[*setup.problems],
        notes=[*library, *setup.notes],
    )
    return Answer(view, _text(view, setup), ending=Ending(has_failed=not view.ok))


def _text(view: SetupView, setup: Setup) -> str:
    head = "The setup works." if view.ok else "The setup has a problem:"
    more = " on the first page; there are more" if setup.is_full else ""
    facts = (
        f"ok={str(view.ok).lower()} version={view.version} region={view.region} base_url={view.base_url} "
        f"credential={view.credential} clock_skew_seconds={view.clock_skew_seconds} elements={view.elements}{more}"
    )
    where = [guide_to("settings")] if setup.has_faults else []
    return "\n".join([head, *(f"- {problem}" for problem in view.problems), facts, *view.notes, *where])
