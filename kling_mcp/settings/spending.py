"""What may be spent: who must agree, and the caps. `settings` reads the environment.

What cannot be read allows nothing: a placeholder in a cap is no cap of 0, and one in KLING_MCP_SPENDING is `off`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from kling_mcp.errors import ConfigurationError

if TYPE_CHECKING:
    from kling_mcp.settings.environment import Environment

MODE = "KLING_MCP_SPENDING"
PER_CALL, PER_DAY = "KLING_MCP_MAX_UNITS_PER_CALL", "KLING_MCP_MAX_UNITS_PER_DAY"
SpendingMode = Literal["ask", "allow", "off"]
PRODUCTS = ("video", "image")
# Over http many people spend one operator's units.
UNITS_PER_CALL_OVER_HTTP, UNITS_PER_DAY_OVER_HTTP = 20, 200
_MOST_UNITS = 1_000_000
_NOTHING = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingSettings:
    """Validated. A cap is None for the transport's default, 0 for none."""

    mode: SpendingMode = "ask"
    units_per_call: int | None = None
    units_per_day: int | None = None

    @property
    def is_off(self) -> bool:
        """Whether nothing may be paid: it was switched off, or a cap cannot be read."""
        return self.off_by != ""

    @property
    def off_by(self) -> str:
        """The variable because of which nothing may be paid, or ""."""
        if self.mode == "off":
            return MODE
        caps = {PER_CALL: self.units_per_call, PER_DAY: self.units_per_day}
        return next((name for name, cap in caps.items() if cap == _NOTHING), "")

    def per_call(self, *, over_http: bool) -> dict[str, int]:
        """The most units that one call may cost, by product type; 0 is no cap."""
        return dict.fromkeys(PRODUCTS, _cap(self.units_per_call, UNITS_PER_CALL_OVER_HTTP if over_http else 0))

    def per_day(self, *, over_http: bool) -> dict[str, int]:
        """The most units that an account may spend in a day, by product type; 0 is no cap."""
        return dict.fromkeys(PRODUCTS, _cap(self.units_per_day, UNITS_PER_DAY_OVER_HTTP if over_http else 0))


def read_spending(env: Environment) -> SpendingSettings:
    """The three variables; over stdio, what is wrong with one of them stops paid calls alone."""
    return SpendingSettings(
        mode=env.read("spending", lambda: _read_mode(env, MODE), "off"),
        units_per_call=env.read("spending", lambda: _read_cap(env, PER_CALL), _NOTHING),
        units_per_day=env.read("spending", lambda: _read_cap(env, PER_DAY), _NOTHING),
    )


def _read_mode(env: Environment, name: str) -> SpendingMode:
    value = env.text(name, must_be_filled=True).lower() or "ask"
    for mode in get_args(SpendingMode):
        if value == mode:
            return cast("SpendingMode", mode)
    raise ConfigurationError(f"{name} must be ask, allow or off; it is {value[:40]!r}.")


def _read_cap(env: Environment, name: str) -> int | None:
    if not env.text(name, must_be_filled=True):
        return None
    return env.number(name, 0, 0, _MOST_UNITS, must_be_filled=True)


def _cap(said: int | None, default: int) -> int:
    return default if said is None else said
