"""Makes plans: reads a sheet with its lock, surveys, decides, keeps the plan under its id. Only reads are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.errors import NotFoundError, StalePlanError
from kling_mcp.production.lock import lock_path, read_lock
from kling_mcp.production.plan import Plan, decide_cast, differences, for_shots, make_plan
from kling_mcp.production.plan_store import PlanStore
from kling_mcp.production.read_sheet import read_sheet
from kling_mcp.production.survey import Surveyor, survey_cast
from kling_mcp.production.survey_shots import ShotSurveyor
from kling_mcp.production.world import World
from kling_mcp.sanitize import as_shown, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.account import Account
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.production.model import Lock, Sheet
    from kling_mcp.production.plan import Part
    from kling_mcp.production.plan_store import StoredPlan

_MOST_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan with its id."""

    plan_id: str
    plan: Plan


class Planner:
    """Plans for one account."""

    def __init__(self, account: Account, policy: MediaPolicy, clock: Clock) -> None:
        """`policy` says which local files may be read."""
        self.account = account
        self.store = PlanStore(account.store, account.client.account, clock)
        self._policy = policy

    async def make(self, path: str, *, part: Part = "all", require: Sequence[str] = ()) -> KeptPlan:
        """A new plan for this sheet.

        Raises:
            InputError: the sheet, with every problem of it.
            KlingError: the library could not be read.
        """
        sheet, lock = await to_thread.run_sync(self._read, path)
        plan = await self._plan(sheet, lock, part, require)
        return KeptPlan(await self.store.keep(str(sheet.path), plan.to_json()), plan)

    async def find(self, plan_id: str) -> tuple[StoredPlan, Plan]:
        """A plan that was made earlier, and what is left of it now.

        Raises:
            NotFoundError: there is no such plan.
            StalePlanError: what it was made from has changed.
            InputError: the sheet is gone, or has problems now.
            KlingError: the library could not be read.
        """
        stored = await self.store.find(plan_id.strip())
        if stored is None:
            raise NotFoundError(
                f"There is no plan {quote(plan_id, 60)}.",
                advice="Call plan_production with the path of the sheet, and use the plan_id that it gives.",
            )
        sheet, lock = await to_thread.run_sync(self._read, stored.path)
        plan = await self._plan(sheet, lock, stored.decided["part"], stored.decided["require"])
        if changed := differences(stored.decided, plan):
            raise _stale(stored, changed)
        return stored, plan

    def _read(self, path: str) -> tuple[Sheet, Lock]:
        """Blocking."""
        sheet = read_sheet(path, self._policy)
        return sheet, read_lock(lock_path(sheet.path))

    async def _plan(self, sheet: Sheet, lock: Lock, part: Part, require: Sequence[str]) -> Plan:
        surveyor = Surveyor(self.account, sheet, lock)
        facts = await survey_cast(surveyor, sheet)
        has_read_all = await surveyor.has_read_all()
        cast = for_shots(decide_cast(sheet, lock, facts, has_read_all=has_read_all), part)
        shots = ShotSurveyor(self.account, sheet, cast)
        names = {as_shown(name) for name in sheet.cast}
        world = World(
            cast=facts,
            shots={shot_id: await shots.facts_of(shot) for shot_id, shot in sheet.shots.items()}
            if part != "cast"
            else {},
            has_read_all=has_read_all,
            kept=await surveyor.kept(),
            in_library={name: await surveyor.in_library(name) for name in require if as_shown(name) not in names},
        )
        return make_plan(sheet, lock, world, part=part, require=require)


def _stale(stored: StoredPlan, changed: Sequence[str]) -> StalePlanError:
    lines = "\n".join(f"- {sentence}" for sentence in changed[:_MOST_DIFFERENCES])
    more = f"\n- and {len(changed) - _MOST_DIFFERENCES} more" if len(changed) > _MOST_DIFFERENCES else ""
    return StalePlanError(
        f"The plan {stored.plan_id} no longer fits:\n{lines}{more}",
        advice="Nothing was sent. Call plan_production again, and show the person the new plan.",
    )
