"""`find_generations`: the videos and pictures of this account, with their files and the ends of their links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.errors import InputError
from kling_mcp.generation.history import Wanted
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.gallery import RESULTS_URI
from kling_mcp.server.gallery.results import is_out_of_sight, results_data
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._cursor import bad_cursor, make_cursor, read_cursor
from kling_mcp.server.views.past_generations import PastGenerationRow, notes_on_found, past_lines, past_row
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.past import PastGeneration


class FindGenerationsArguments(ToolArguments):
    """What to search for, and how much to return."""

    query: str = Field("", max_length=200, description="Words of the prompt, or an id")
    kind: Literal["any", "video", "image"] = "any"
    status: Literal["any", "ready", "pending", "failed"] = "any"
    element: str = Field("", description="Name or id of an element used")
    limit: int = Field(20, ge=1, le=100)
    cursor: str = ""


class FoundGenerationsView(View):
    """One page of generations, newest first. `complete` says that all could be read, on however many pages."""

    SHOWN = ("generations", "next_cursor", "complete")

    generations: list[PastGenerationRow]
    total: int
    next_cursor: str
    complete: bool
    notes: list[str]


@tool(
    "find_generations",
    title="Find videos and images",
    annotations=READS,
    arguments=FindGenerationsArguments,
    view=FoundGenerationsView,
    page_uri=RESULTS_URI,
    search_hint="history results clips",
    is_long=True,
)
async def find_generations(arguments: FindGenerationsArguments, call: ToolContext) -> Answer:
    """Find generated videos and images, newest first: paths, links and when these end. To save those
    without a path: wait_for_tasks."""
    after = _position(arguments)
    history, now = call.account.generations, call.clock.wall()
    found = await history.find(
        Wanted(
            query=arguments.query,
            product=None if arguments.kind == "any" else arguments.kind,
            status=None if arguments.status == "any" else arguments.status,
            element=arguments.element,
        )
    )
    rest = [past for past in found.generations if after is None or past.place < after]
    page = await history.with_files(rest[: arguments.limit])
    view = FoundGenerationsView(
        generations=[past_row(past) for past in page],
        total=len(found.generations),
        next_cursor=_cursor(page[-1], arguments) if len(rest) > len(page) else "",
        complete=found.is_whole,
        notes=[]
        if after is not None
        else notes_on_found(found, now, saves=history.saves, why_not=call.account.generator.saver.why_not),
    )
    for_page = await _page_data(page, now, saves=history.saves) if call.caller.shows_pages else None
    return Answer(view, _text(view, arguments, now), page_data=for_page)


async def _page_data(page: Sequence[PastGeneration], now: float, *, saves: bool) -> dict[str, object]:
    files = [file for past in page for file in past.files if is_out_of_sight(file, now)]
    return await results_data([(past.task_id, past.memo) for past in page], files, saves=saves)


def _bound(arguments: FindGenerationsArguments) -> dict[str, object]:
    """What a cursor belongs to."""
    return arguments.model_dump(include={"query", "kind", "status", "element"})


def _cursor(last: PastGeneration, arguments: FindGenerationsArguments) -> str:
    created_at, name = last.place
    return make_cursor({"c": created_at, "n": name}, _bound(arguments))


def _position(arguments: FindGenerationsArguments) -> tuple[int, str] | None:
    cursor = arguments.cursor.strip()
    if not cursor:
        return None
    match read_cursor(cursor, _bound(arguments)):
        case {"c": int(created_at), "n": str(name)}:
            return created_at, name
    raise InputError([bad_cursor(cursor, "must be the next_cursor of an earlier answer")])


def _text(view: FoundGenerationsView, arguments: FindGenerationsArguments, now: float) -> str:
    shown = len(view.generations)
    of = f"{shown} of {view.total}" if shown != view.total else str(view.total)
    said = [
        f"kind={arguments.kind} status={arguments.status}",
        arguments.element.strip() and f"element={quote(arguments.element, 60)}",
        arguments.query.strip() and f"query={quote(arguments.query, 60)}",
    ]
    what = " ".join(fact for fact in said if fact)
    lines = [
        f"{of} generation{'' if of == '1' else 's'} ({what}); total={view.total} complete={str(view.complete).lower()}",
        *past_lines(view.generations, now),
        *(f"Note: {note}" for note in view.notes),
        f"More: call again with cursor={view.next_cursor}" if view.next_cursor else "",
    ]
    return "\n".join(line for line in lines if line)
