"""`kling-mcp production plan|apply|export`: the tools of the same name, from a shell or CI."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from kling_mcp.commands.console import (
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    StateNotes,
    command_line,
    envelope,
    interrupted,
    program_words,
    tell_error,
)
from kling_mcp.errors import ConfigurationError, ConfirmationError, InputError, KlingError, OverBudgetError, Problem
from kling_mcp.production.apply import Applier
from kling_mcp.production.earlier import outcomes_of_earlier
from kling_mcp.production.export import export_library
from kling_mcp.production.lock import lock_path, update_lock
from kling_mcp.production.lock_keeper import LockKeeper
from kling_mcp.production.planning import Planner
from kling_mcp.runtime import Runtime
from kling_mcp.sanitize import quote
from kling_mcp.server.consent import enough_units
from kling_mcp.server.views.plans import (
    applying_leaves_out,
    correction,
    plan_details,
    plan_text,
    plan_view,
    price_text,
)
from kling_mcp.server.views.productions import goes_on, has_failed, production_text, production_view, what_is_left

if TYPE_CHECKING:
    import argparse

    from kling_mcp.commands.console import Terminal
    from kling_mcp.production.outcome import EntryOutcome
    from kling_mcp.production.plan import Plan
    from kling_mcp.production.planning import KeptPlan
    from kling_mcp.server.views.view import View
    from kling_mcp.settings import Settings

_WHOLE = "--part all"


def run_production(options: argparse.Namespace, settings: Settings, terminal: Terminal) -> int:
    """Run one action; its exit code.

    Raises:
        KeyboardInterrupt: after a note that says how to go on.
    """
    actions = {"plan": _plan, "apply": _apply, "export": _export}

    async def act() -> int:
        runtime = Runtime(settings, keeps_sandbox=True)
        try:
            return await actions[options.action](_Command(options, runtime, terminal))
        finally:
            await runtime.aclose()

    try:
        return anyio.run(act)
    except KeyboardInterrupt:
        if options.action == "apply":
            terminal.note(interrupted(_resume(options), changes=True))
        raise
    except KlingError as error:
        resume = "" if error.retry == "never" else _again(options)
        may_create = options.action == "apply"
        return tell_error(error, terminal, wants_json=options.json, may_create=may_create, resume=resume)


@dataclass(frozen=True, slots=True)
class _Command:
    """One call of the command."""

    options: argparse.Namespace
    runtime: Runtime
    terminal: Terminal

    async def plan(self) -> tuple[Planner, KeptPlan]:
        """A new plan for the sheet."""
        planner = Planner(self.runtime.own_account(), self.runtime.media_policy(), self.runtime.clock)
        options = self.options
        return planner, await planner.make(options.file, part=options.part, require=options.require)

    def tell(self, view: View, text: str, resume: str = "") -> None:
        """Print a result, in the form that was asked for."""
        if self.options.json:
            self.terminal.say_json(envelope(view.model_dump(mode="json"), resume))
        else:
            self.terminal.say(text)


# --- plan


async def _plan(command: _Command) -> int:
    _, kept = await command.plan()
    plan = kept.plan
    view = plan_view(kept.plan_id, plan, await outcomes_of_earlier(command.runtime.own_account(), plan))
    # Nothing goes on by itself before the sheet is corrected.
    resume = _resume(command.options) if plan.has_work and not correction(plan) else ""
    # The next step of the view is a tool's; a shell has a command.
    told = view.model_copy(update={"next_step": _step_after_plan(command.options, plan)})
    command.tell(told, plan_text(told), resume)
    if plan.has_work:
        return PENDING
    return FAILED if has_failed(plan, []) else DONE


def _step_after_plan(options: argparse.Namespace, plan: Plan) -> str:
    """What to correct, and the command that applies it.

    Only this command, which a person agrees to, has the price; `resume` agrees to none.
    """
    price, told = plan.price(), correction(plan, _WHOLE)
    if not plan.has_work:
        return told
    is_known = bool(price) and all(each.is_known for each in price)
    apply = _resume(options, max(enough_units(each) for each in price) if is_known else 0)
    if told:
        return f"{told} {applying_leaves_out(plan)}. Only if the person wants that: {apply}"
    return f"To carry it out{', if the person agrees to this price' if is_known else ''}: {apply}"


# --- apply


async def _apply(command: _Command) -> int:
    settings, clock = command.runtime.settings, command.runtime.clock
    if settings.read_only:
        raise ConfigurationError("This server changes nothing (KLING_MCP_READ_ONLY).", kind="read_only")
    settings.require("changing", "creating")
    _, kept = await command.plan()
    plan = kept.plan
    if plan.has_work:
        command.terminal.note(plan_text(plan_view(kept.plan_id, plan).model_copy(update={"next_step": ""})))
        _require_consent(command, plan)
    started, notes = clock.monotonic(), StateNotes(command.terminal.note)
    outcomes: list[EntryOutcome] = []
    if plan.has_work:
        applier = Applier(
            command.runtime.own_account(),
            plan,
            LockKeeper(plan.sheet.path, clock),
            clock,
            wait_seconds=command.options.wait_seconds,
            on_change=lambda progress: notes(str(progress)),
        )
        outcomes = await applier.run()
    earlier = [] if goes_on(outcomes) else await outcomes_of_earlier(command.runtime.own_account(), plan)
    view = production_view(kept.plan_id, plan, outcomes, clock.monotonic() - started, earlier)
    resume = _resume(command.options) if goes_on(outcomes) else ""
    told = view.model_copy(update={"next_step": _step_after_apply(plan, outcomes, resume)})
    command.tell(told, production_text(told), resume)
    if has_failed(plan, outcomes):
        return FAILED
    return RUNNING if resume else DONE


def _step_after_apply(plan: Plan, outcomes: list[EntryOutcome], resume: str) -> str:
    if resume:
        return f"To go on: {resume}"
    if any(each.status == "failed" for each in outcomes):
        return "Correct the sheet; if the cause may have passed, repeat the same command."
    return what_is_left(plan, _WHOLE)


def _require_consent(command: _Command, plan: Plan) -> None:
    """Return if the plan may be paid.

    Raises:
        ConfigurationError: the settings allow no spending.
        OverBudgetError: it may cost more than `--max-units`.
        ConfirmationError: a person declined, or nobody can be asked.
    """
    price, most, spending = plan.price(), command.options.max_units, command.runtime.settings.spending
    if not price:
        return
    command.runtime.settings.require("spending")
    if spending.is_off:
        raise ConfigurationError(f"Nothing may be paid on this server ({spending.off_by}).", kind="read_only")
    highest = max(each.high for each in price)
    is_known = all(each.is_known for each in price)
    if most and (highest > most or not is_known):
        raise OverBudgetError(
            f"--max-units is {most}, and this may cost more: {price_text(plan)}.",
            advice="Nothing was sent and nothing was paid. Make it cheaper, or allow more units.",
        )
    if most or spending.mode == "allow":
        return
    question = "\n".join([f"Make this production for {price_text(plan)}?", *plan_details(plan)])
    if command.terminal.ask is None and not is_known:
        raise ConfirmationError(
            f"This costs {price_text(plan)}, and only a person at a terminal can agree to that.",
            advice="Nothing was sent and nothing was paid. Use another model.",
        )
    if command.terminal.ask is None:
        raise ConfirmationError(
            f"This costs {price_text(plan)}, and there is no terminal to ask at.",
            advice="Nothing was sent and nothing was paid. To agree, add "
            f"--max-units {max(enough_units(each) for each in price)}.",
        )
    if not command.terminal.ask(question):
        raise ConfirmationError("Declined.", advice="Nothing was sent and nothing was paid.")


# --- export


async def _export(command: _Command) -> int:
    options, runtime = command.options, command.runtime
    path = _target(options.file)
    found = await export_library(
        runtime.own_account().library, query=options.query, tags=options.tag, names=options.name
    )
    is_sheet = path.suffix.lower() != ".json"
    _write_new(path, found.sheet if is_sheet else found.element_ids_text())
    if is_sheet:
        update_lock(lock_path(path), cast=found.lock.cast, now=runtime.clock.wall())
    result = {
        "path": str(path),
        "element_ids": dict(found.element_ids),
        "missing": list(found.missing),
        "doubles": list(found.doubles),
        "complete": found.is_complete,
    }
    lines = [
        f"{len(found.element_ids)} element{'' if len(found.element_ids) == 1 else 's'} in {path}",
        *(f"Problem: no ready element has the name {quote(name, 60)}." for name in found.missing),
        *(f"Note: several elements have the name {quote(name, 60)}; the newest was taken." for name in found.doubles),
        *([] if found.is_complete else ["Note: the library could not be read in full."]),
    ]
    if options.json:
        command.terminal.say_json(envelope(result))
    else:
        command.terminal.say("\n".join(lines))
    return FAILED if found.missing else DONE


def _target(file: str) -> Path:
    """Where to write. Raises InputError for a name that says no form."""
    path = Path(os.path.abspath(os.path.expanduser(file)))  # noqa: PTH100, PTH111 - never raise
    if path.suffix.lower() not in {".yaml", ".yml", ".json"}:
        named = quote(path.name)
        raise InputError([Problem("FILE", "must end in .yaml, .yml or .json", named, "choose such a name.")])
    return path


def _write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet.

    Raises:
        InputError: it exists, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fix = "choose another name, or remove the old one."
        raise InputError([Problem("FILE", "must be a new file", f"{quote(str(path))}, which exists", fix)]) from None
    except OSError as error:
        actual = f"{quote(str(path))} ({(error.strerror or type(error).__name__).lower()})"
        raise InputError([Problem("FILE", "must be a file that can be written", actual, "choose another.")]) from None


# --- shared


def _resume(options: argparse.Namespace, most: int = 0) -> str:
    """The literal next command, which agrees to `most` units, or to as many as this one did."""
    most = most or getattr(options, "max_units", 0)
    units = ["--max-units", str(most)] if most else []
    return _line(options, "apply", [*_of_sheet(options), *units])


def _again(options: argparse.Namespace) -> str:
    """The same command."""
    if options.action == "apply":
        return _resume(options)
    if options.action == "plan":
        return _line(options, "plan", _of_sheet(options))
    named = [("--tag", tag) for tag in options.tag] + [("--name", name) for name in options.name]
    query = ["--query", options.query] if options.query else []
    return _line(options, "export", [*(word for pair in named for word in pair), *query])


def _of_sheet(options: argparse.Namespace) -> list[str]:
    part = ["--part", options.part] if options.part != "all" else []
    return part + [word for name in options.require for word in ("--require", name)]


def _line(options: argparse.Namespace, action: str, words: list[str]) -> str:
    json = ["--json"] if options.json else []
    return command_line([*program_words(), "production", action, options.file, *words, *json])
