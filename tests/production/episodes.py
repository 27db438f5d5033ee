"""Sheets with real pictures in an allowed folder, and short ways to plan and apply them.

A sheet is written as JSON, which is YAML as well, so that a test changes it as data.
"""

from __future__ import annotations

import colorsys
import functools
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from helpers import API_KEY
from PIL import Image

from kling_mcp.production.apply import Applier
from kling_mcp.production.lock import lock_path, read_lock
from kling_mcp.production.lock_keeper import LockKeeper
from kling_mcp.production.planning import Planner
from kling_mcp.simulator import World

if TYPE_CHECKING:
    from pathlib import Path

    from virtual_time import VirtualClock

    from kling_mcp.production.model import Lock
    from kling_mcp.production.outcome import EntryOutcome
    from kling_mcp.production.plan import Part, Plan
    from kling_mcp.runtime import Runtime

FILES = "https://v1.klingai.com"  # only the vendor's own hosts are followed
NAMES = ("Mia", "Sara", "Otto", "Bruno", "Kitchen", "Harbour", "Teapot", "Parrot", "Nurse", "Baker", "Pilot", "Clown")
LONG = 100_000.0  # no virtual wait takes longer


def filming_world(clock: VirtualClock) -> World:
    """A Kling that takes twenty seconds for anything, and whose results lie at its own host."""
    return World(clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: 20.0, files_origin=FILES)


def empty_episode(folder: Path) -> Episode:
    """A sheet without entries in an allowed folder below this one."""
    below = folder / "pictures" / "episode"
    below.mkdir(parents=True)
    return Episode(below)


@dataclass(slots=True)
class Episode:
    """A sheet on the disk and its content, to be changed and saved again."""

    folder: Path
    cast: dict[str, dict[str, Any]] = field(default_factory=dict)
    shots: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The sheet."""
        return self.folder / "episode.json"

    def add(self, *names: str) -> None:
        """Entries of the cast, each with two pictures of its own."""
        for name in names:
            self.cast[name] = {
                "description": f"The one and only {name}",
                "front": self.picture(f"{name}-front"),
                "others": [self.picture(f"{name}-side")],
                "tags": ["Character"],
            }

    def film(self, shot_id: str, prompt: str, **settings: Any) -> None:
        """A shot."""
        self.shots[shot_id] = {"prompt": prompt, **settings}

    def picture(self, name: str, version: int = 1) -> str:
        """A picture like no other, in a file of this name."""
        hue = (sum(ord(letter) * place for place, letter in enumerate(name, 7)) + 53 * version) % 997 / 997
        (self.folder / f"{name}.png").write_bytes(_one_coloured(hue))
        return f"{name}.png"

    def save(self) -> str:
        """Write the sheet; its path."""
        sheet = {"version": 1, "cast": self.cast, "shots": self.shots}
        self.path.write_text(json.dumps({key: value for key, value in sheet.items() if value}, indent=2), "utf-8")
        return str(self.path)

    @property
    def lock(self) -> Lock:
        """The lock file."""
        return read_lock(lock_path(self.path))

    def ids(self) -> dict[str, str]:
        """The element of each entry, by the lock file."""
        return {name: element.element_id for name, element in self.lock.cast.items()}


@functools.cache
def _one_coloured(hue: float) -> bytes:
    out = io.BytesIO()
    shade = tuple(round(part * 255) for part in colorsys.hsv_to_rgb(hue, 0.8, 0.9))
    Image.new("RGB", (400, 500), shade).save(out, "PNG")
    return out.getvalue()


def planner_of(runtime: Runtime) -> Planner:
    """Plans for the server's own account."""
    return Planner(runtime.own_account(), runtime.media_policy(), runtime.clock)


async def plan(runtime: Runtime, episode: Episode, *, part: Part = "all", require: tuple[str, ...] = ()) -> Plan:
    """A new plan of the sheet as it is now."""
    return (await planner_of(runtime).make(episode.save(), part=part, require=require)).plan


async def apply(
    runtime: Runtime, episode: Episode, *, part: Part = "all", wait_seconds: float = LONG
) -> list[EntryOutcome]:
    """Plan and apply."""
    planned = await plan(runtime, episode, part=part)
    return await run(runtime, planned, wait_seconds=wait_seconds)


async def run(runtime: Runtime, planned: Plan, *, wait_seconds: float = LONG) -> list[EntryOutcome]:
    """Apply this plan."""
    keeper = LockKeeper(planned.sheet.path, runtime.clock)
    return await Applier(runtime.own_account(), planned, keeper, runtime.clock, wait_seconds=wait_seconds).run()


def actions(planned: Plan) -> dict[str, str]:
    """What is planned for each entry of the cast."""
    return {each.name: each.action for each in planned.cast}


def statuses(outcomes: list[EntryOutcome]) -> dict[str, str]:
    """What became of each entry; takes after the first have their number."""
    return {f"{each.name}{f' {each.take}' if each.take > 1 else ''}": each.status for each in outcomes}
