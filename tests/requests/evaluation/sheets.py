"""What a request of `themes/*.toml` is made of, and how the files are read.

Plain data, checked strictly: a field that is spelled wrong is an error, never ignored. It plays and judges nothing.
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

THEMES = Path(__file__).parent.parent / "themes"


class Sheet(BaseModel):
    """Base of everything that is read from a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Picture(Sheet):
    """A file on the user's disk. `outside` puts it where nothing may be read.

    `text` makes it no picture at all; in it, names of elements are resolved.
    """

    name: str
    colour: str = "tomato"
    width: int = 320
    height: int = 360
    text: str = ""
    outside: bool = False


class Voice(Sheet):
    """A voice of the account: `${voice.KEY}`."""

    key: str
    name: str


class StartElement(Sheet):
    """An element that is there before: `${KEY}` is its id, `${KEY.task}` its task's.

    `voice` is a voice's key; the description stands there `times` over.
    """

    key: str
    name: str
    description: str = ""
    times: int = 1
    tags: tuple[str, ...] = ()
    kind: Literal["image_refer", "video_refer"] = "image_refer"
    status: Literal["ready", "deleted", "failed", "pending"] = "ready"
    voice: str = ""
    external_task_id: str = ""
    created: datetime | None = None


class Earlier(Sheet):
    """A call of an earlier chat, made by another server process on the same state folder."""

    tool: str
    arguments: dict[str, Any]
    faults: tuple[dict[str, Any], ...] = ()


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Start(Sheet):
    """The state of the world when the request comes in.

    `crowd` is a number of further elements, newer than `elements`. `task_seconds` is how long tasks take; 0 leaves
    it to the simulator. `later` is how many seconds lie between the earlier calls and the request. `settings`,
    `quirks` and `faults` are those of the package and its simulator, by name.
    """

    elements: tuple[StartElement, ...] = ()
    voices: tuple[Voice, ...] = ()
    pictures: tuple[Annotated[Picture, BeforeValidator(_named)], ...] = ()
    crowd: int = 0
    task_seconds: float = 0
    later: float = 0
    earlier: tuple[Earlier, ...] = ()
    packs: dict[Literal["video", "image"], int] = {}
    environment: dict[str, str] = {}
    network: Literal["simulator", "untrusted", "name", "real"] = "simulator"
    is_full: bool = False
    quirks: dict[str, Any] = {}
    faults: tuple[dict[str, Any], ...] = ()


class Call(Sheet):
    """An expected call.

    `arguments` are what the replay sends. A model may say it differently: its call counts if it names this tool or
    one of `also`, keeps what `must` says of the arguments (operators in `grading`), ends as `error` says (a kind of
    the contract; empty for success), and its result shows every text of `shows` and as many pictures as `pictures`.
    Replayed, its result holds none of `hides` and is at most `longest` characters long (0: any length). Calls in a
    row that are `together` run side by side.
    """

    tool: str
    also: tuple[str, ...] = ()
    arguments: dict[str, Any] = {}
    must: dict[str, Any] = {}
    error: str = ""
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    longest: int = 0
    pictures: int = 0
    together: bool = False


class Way(Sheet):
    """One way to do what was asked. Other calls may stand between these; without `in_order` the order is free."""

    call: tuple[Call, ...] = ()
    in_order: bool = True


class BannedCall(Sheet):
    """A call that must not happen, by its tool and by what its arguments say."""

    tool: str
    must: dict[str, Any] = {}


class Never(Sheet):
    """What must not happen. Tools that change something are forbidden anyway unless a way calls them.

    `said` must stand neither in the answer nor in any argument.
    """

    tools: tuple[str, ...] = ()
    calls: tuple[BannedCall, ...] = ()
    said: tuple[str, ...] = ()


class Made(Sheet):
    """What an element that was made must be like; empty fields are not looked at.

    `frontal` and `others` are paths (their bytes must have been sent) or links; `others` in any order.
    """

    name: str
    tags: tuple[str, ...] = ()
    kind: str = ""
    voice: str = ""
    video: str = ""
    frontal: str = ""
    others: tuple[str, ...] = ()


class Ends(Sheet):
    """The state of the world afterwards.

    `created` is how many creations Kling may have accepted, `deleted` the keys of exactly the elements that were
    deleted. `elements` counts own elements by name, those on their way included, failed and deleted ones not.
    `units` is what may have been paid, as text.
    `sent` counts requests by the simulator's name of their route.
    """

    created: tuple[int, ...] = (0,)
    deleted: tuple[str, ...] = ()
    units: str = "0"
    elements: dict[str, int] = {}
    made: tuple[Made, ...] = ()
    sent: dict[str, int] = {}


class CarelessCall(Sheet):
    """A call as a careless agent would make it; `arguments` may use what its earlier calls were answered."""

    tool: str
    arguments: dict[str, Any] = {}


class Careless(Sheet):
    """What a careless agent would do, and the judge refuses.

    Its calls are made, and then it says `answer`; without one, everything that the request wants to hear, so that
    only what it did can be wrong. `refused` stands in one of the judge's reasons.
    """

    call: tuple[CarelessCall, ...] = ()
    answer: str = ""
    refused: str


class Request(Sheet):
    """One request of a person, and everything that is needed to judge what was made of it.

    Of each group of `tells` the answer must hold one text, and so must the results that an answer rests on.
    Of each group of `answers` it must hold one word; these are the model's own words, so no result is asked.
    Texts may hold `${...}`: see `scene`.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    says: str
    guards: str
    start: Start = Start()
    way: tuple[Way, ...]
    careless: tuple[Careless, ...] = ()
    tells: tuple[tuple[str, ...], ...] = ()
    answers: tuple[tuple[str, ...], ...] = ()
    never: Never = Never()
    ends: Ends = Ends()
    most_calls: int = 10
    theme: str = ""


def read_requests(folder: Path = THEMES) -> tuple[Request, ...]:
    """Every request, by theme and then in the order of its file.

    Raises:
        ValueError: a file is not what this module describes, or an id stands twice.
    """
    requests: dict[str, Request] = {}
    for path in sorted(folder.glob("*.toml")):
        for row in tomllib.loads(path.read_text("utf-8"))["request"]:
            request = Request.model_validate({**row, "theme": path.stem})
            if request.id in requests:
                raise ValueError(f"{path.name}: {request.id} stands twice")
            requests[request.id] = request
    return tuple(requests.values())
