"""`check_setup`: checks credentials, region, clock and network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.api.diagnostics import check
from kling_mcp.errors import ConfigurationError
from kling_mcp.guide import guide_to
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, Ending, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View
from kling_mcp.settings import HOSTS
from kling_mcp.store.report import StateReport

if TYPE_CHECKING:
    from collections.abc import Sequence


class NoArguments(ToolArguments):
    """No arguments."""


class SetupView(View):
    """The result, with problems in plain sentences."""

    SHOWN = ("ok",)

    ok: bool
    region: str
    base_url: str
    credential: str
    clock_skew_seconds: float
    elements: int
    problems: list[str]


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
    settings = call.settings
    told, is_stopped = call.runtime.setting_problems()
    try:
        account = call.account
    except ConfigurationError as error:
        said = [problem for problem in told if problem not in error.message]
        view = SetupView(
            ok=False,
            region=settings.region,
            base_url=settings.base_url,
            credential="none",
            clock_skew_seconds=0.0,
            elements=0,
            problems=[error.for_setup(), *said],
        )
        return Answer(view, _text(view, notes=_more_of(said)), ending=Ending(has_failed=True))
    client = account.client
    found = await check(client, call.clock)
    # What callers over http bring must be good for Kling before anything is opened for them.
    state = await call.runtime.state_report() if found.ok or call.runtime.transport == "stdio" else StateReport()
    trouble = [state.problem] if state.trouble and state.trouble.message not in told else []
    # Over http a caller may choose another region than the server's own.
    region = next((name for name, url in HOSTS.items() if url == client.sender.base_url), settings.region)
    view = SetupView(
        ok=found.ok and not is_stopped and state.trouble is None,
        region=region,
        base_url=client.sender.base_url,
        credential=client.credential_kind,
        clock_skew_seconds=found.clock_skew_seconds,
        elements=found.elements,
        problems=[*found.problems, *trouble, *told],
    )
    more = " on the first page; there are more" if found.is_full else ""
    text = _text(view, more, [state.note, *_more_of(told)])
    return Answer(view, text, ending=Ending(has_failed=not view.ok))


def _more_of(faults: Sequence[str]) -> list[str]:
    """Where more is said of wrong settings."""
    return [guide_to("settings")] if faults else []


def _text(view: SetupView, more: str = "", notes: Sequence[str] = ()) -> str:
    head = "The setup has a problem:"
    if view.ok:
        head = "The setup works, but:" if view.problems else "The setup works."
    facts = (
        f"ok={str(view.ok).lower()} region={view.region} base_url={view.base_url} "
        f"credential={view.credential} clock_skew_seconds={view.clock_skew_seconds} elements={view.elements}{more}"
    )
    empty = (
        "This account's API library is empty; elements made on Kling's web site are reported not to appear here."
        if view.ok and not view.elements
        else ""
    )
    return "\n".join(line for line in [head, *(f"- {p}" for p in view.problems), facts, empty, *notes] if line)
