"""Gathers what is known of a sheet's shots: their elements, their prices, and what was sent before. Reads only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.api.limits import IMAGE_REFER
from kling_mcp.errors import AmbiguousNameError, InputError, KlingError, NotFoundError
from kling_mcp.generation.foresee import ForeseenElements
from kling_mcp.production.check_shots import draft_of
from kling_mcp.production.content import parts_of_video
from kling_mcp.production.model import SheetProblem
from kling_mcp.production.names import find_names
from kling_mcp.production.world import ShotFacts
from kling_mcp.sanitize import as_shown, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.account import Account
    from kling_mcp.errors import Kind
    from kling_mcp.generation.draft import VideoDraft
    from kling_mcp.generation.generator import GenerationRequest
    from kling_mcp.production.decide import CastDecision
    from kling_mcp.production.model import Sheet, Shot
    from kling_mcp.production.names import NamedElements
    from kling_mcp.tasks.entry import State

# Entries whose request was paid for, or may have been.
_SENT: tuple[State, ...] = ("sending", "unclear", "accepted", "ready")
# What an input can be refused for; everything else is no matter of the sheet.
_ABOUT_THE_INPUT: tuple[Kind, ...] = ("bad_input", "not_found", "ambiguous_name")


class ShotSurveyor:
    """Surveys the shots of one sheet, given what is decided for its cast."""

    def __init__(self, account: Account, sheet: Sheet, cast: Mapping[str, CastDecision]) -> None:
        self._account = account
        self._sheet = sheet
        self._cast = cast

    async def facts_of(self, shot: Shot) -> ShotFacts:
        """What is known of one shot.

        Raises:
            KlingError: the library could not be read.
        """
        draft = draft_of(shot)
        named = find_names(draft, {name: decision.usable_id for name, decision in self._cast.items()})
        elements = {name: self._cast[name].usable_id for name in named.cast}
        others, lost, problems = await self._find_others(shot, named)
        if problems or lost or not all(elements.values()):
            facts = await self._foresee(shot, draft, elements | others)
            return replace(facts, lost=lost, problems=(*problems, *facts.problems))
        return await self._prepared(shot, named.draft, elements | others)

    async def request(self, shot: Shot, take: int) -> GenerationRequest:
        """One take as it may be sent; every element exists.

        Raises:
            KlingError: every problem of the input.
        """
        named = find_names(draft_of(shot), {name: decision.usable_id for name, decision in self._cast.items()})
        return await self._prepare(shot, named.draft, take)

    async def _prepare(self, shot: Shot, draft: VideoDraft, take: int) -> GenerationRequest:
        """The request, remembered with the names that the sheet has, and not with ids."""
        request = await self._account.generator.prepare(draft, take=take, save_as=save_as_of(self._sheet, shot, take))
        prompt = shot.prompt or "\n".join(shot.shots)
        memo = replace(request.memo, prompt=prompt)
        intent = replace(request.intent, label=as_shown(prompt[:80]), memo=memo.to_journal())
        return replace(request, memo=memo, intent=intent)

    async def _find_others(
        self, shot: Shot, named: NamedElements
    ) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
        """The elements outside the cast: their ids by name, names that nothing has, and what is wrong."""
        found: dict[str, str] = {}
        lost: list[str] = []
        problems: list[str] = []
        for names in named.others:
            try:
                element = (await self._account.library.match_first(names)).record.element
            except NotFoundError:
                lost.append(names[-1])
            except AmbiguousNameError as error:
                problems.append(_told_error(shot, error))
            else:
                found[element.element_name] = element.element_id
        return found, tuple(dict.fromkeys(lost)), tuple(problems)

    async def _foresee(self, shot: Shot, draft: VideoDraft, elements: Mapping[str, str]) -> ShotFacts:
        """What can be known before all elements exist."""
        facts = ShotFacts(draft=draft, elements=elements)
        kinds = [await self._kind_of(name, element_id) for name, element_id in elements.items()]
        foreseen = ForeseenElements(
            has_video_element=any(is_video for is_video, _ in kinds), has_voice=any(has_voice for _, has_voice in kinds)
        )
        try:
            video = await self._account.generator.foresee(draft, foreseen)
            await self._account.generator.saver.require_save_as(save_as_of(self._sheet, shot, 1))
        except InputError as error:
            return replace(facts, problems=_told(shot, error))
        parts = {take: parts_of_video(draft, video.media, elements, take) for take in _takes(shot)}
        why_not = self._account.generator.saver.why_not
        return replace(facts, made_from=parts, estimate=video.estimate, notes=(why_not,) if why_not else ())

    async def _prepared(self, shot: Shot, draft: VideoDraft, elements: Mapping[str, str]) -> ShotFacts:
        """What is known once all elements exist."""
        facts = ShotFacts(draft=draft, elements=elements)
        requests: dict[int, GenerationRequest] = {}
        try:
            for take in _takes(shot):
                requests[take] = await self._prepare(shot, draft, take)
        except KlingError as error:
            if error.kind not in _ABOUT_THE_INPUT:
                raise
            return replace(facts, problems=_told(shot, error))
        media = await self._account.generator.load_media(draft)
        first = requests[1]
        states = {take: await self._state_of(request) for take, request in requests.items()}
        return replace(
            facts,
            made_from={take: parts_of_video(draft_of(shot), media, elements, take) for take in requests},
            estimate=first.prepared.estimate,
            paid=frozenset(take for take, state in states.items() if state in _SENT),
            made=frozenset(take for take, state in states.items() if state == "ready"),
            notes=first.prepared.notes,
        )

    async def _state_of(self, request: GenerationRequest) -> State | None:
        entry = await self._account.journal.latest(request.intent)
        return entry.state if entry else None

    async def _kind_of(self, name: str, element_id: str) -> tuple[bool, bool]:
        """Whether an element is, or will be, made from a video, and whether it has a voice."""
        known = await self._account.library.known_by_id(element_id) if element_id else None
        if known is not None:
            return known.element.reference_type != IMAGE_REFER, bool(known.element.voice_id)
        entry = self._sheet.cast[name]
        return bool(entry.video), bool(entry.voice)


def save_as_of(sheet: Sheet, shot: Shot, take: int) -> str:
    """Where a take is saved: as the shot says, otherwise in a folder with the sheet's name, under the shot's id."""
    name = shot.save_as if shot.save_as not in {"", shot.id} else f"{sheet.path.stem}/{shot.id}"
    return name if shot.takes == 1 else f"{name}-take-{take}"


def _takes(shot: Shot) -> range:
    return range(1, shot.takes + 1)


def _told(shot: Shot, error: KlingError) -> tuple[str, ...]:
    if not isinstance(error, InputError):
        return (_told_error(shot, error),)
    return tuple(
        str(SheetProblem(_where(shot, problem.argument), problem.rule, problem.actual, problem.fix, shot.place))
        for problem in error.problems
    )


def _told_error(shot: Shot, error: KlingError) -> str:
    line = f"line {shot.place.line}, " if shot.place.line else ""
    return f"{line}{_where(shot, '')}: {error.message}"


def _where(shot: Shot, argument: str) -> str:
    return f"shots.{clean(shot.id, 40)}{f'.{argument}' if argument else ''}"
