"""A tool's caller at a shell: a person at a terminal, or a program that reads what a command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from mcp.server.elicitation import AcceptedElicitation, DeclinedElicitation
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.elicitation import ElicitationResult

    from kling_mcp.runtime import Runtime

A = TypeVar("A", bound=BaseModel)


class ShellCaller:
    """The same tools as over MCP: progress and questions go to the terminal, and pictures stay out of it."""

    headers = None
    shows_pages = False
    shows_pictures = False
    knows_resource_links = False
    runs_out_of_patience = False
    again = "repeat the same command"
    cannot_ask = "there is no terminal to ask at"

    def __init__(self, runtime: Runtime, note: Callable[[str, float], None], ask: Callable[[str], bool] | None) -> None:
        """
        Args:
            note: takes the state of the call, and the seconds since it began to wait.
            ask: asks a person a question of yes or no; None where there is none to ask.
        """
        self.runtime = runtime
        self._note = note
        self._ask = ask

    async def ask(self, message: str, schema: type[A]) -> ElicitationResult[A] | None:
        """What a person answers: yes agrees to everything that is asked."""
        if self._ask is None:
            return None
        if not self._ask(message):
            return DeclinedElicitation()
        return AcceptedElicitation(data=schema.model_validate(dict.fromkeys(schema.model_fields, True)))

    async def report_progress(self, progress: float, total: float, message: str, waited: float) -> None:
        """Say what the call does; how far it is, a person sees by the seconds."""
        self._note(message, waited)
