"""Models that an operator adds before a version of this program lists them: KLING_MCP_EXTRA_MODELS."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from kling_mcp.errors import ConfigurationError

if TYPE_CHECKING:
    from kling_mcp.settings.environment import Environment

NAME = "KLING_MCP_EXTRA_MODELS"
LISTED = ("3.0-omni", "3.0", "3.0-turbo", "o1")  # those of the table; a test compares them
ROUTES = ("text-to-video", "image-to-video", "omni-video")
_MOST = 20
_ENTRY = re.compile(
    rf"(?P<name>[a-z0-9][a-z0-9._-]{{0,39}})=(?P<route>{'|'.join(ROUTES)})/(?P<model>[a-z0-9][a-z0-9._-]{{0,79}})"
    r"(?:@(?P<units>[0-9]{1,4}(?:\.[0-9]{1,4})?))?"
)


class ExtraModel(NamedTuple):
    """One model on one route. `units_per_second` is the most that it may cost; None if that is not known."""

    name: str
    route: str
    model_name: str
    units_per_second: Decimal | None


def read_extra_models(env: Environment) -> tuple[ExtraModel, ...]:
    """The models, in the order of the setting; a name may stand there once for each route.

    Raises:
        ConfigurationError: an entry that cannot be right.
    """
    given = env.names(NAME)
    if len(given) > _MOST:
        raise ConfigurationError(f"{NAME} must list at most {_MOST} models; it lists {len(given)}.")
    models = [_read_entry(entry) for entry in given]
    places = [(model.name, model.route) for model in models]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise ConfigurationError(f"{NAME} must name each model once for a route; {twice[0]!r} is there twice.")
    return tuple(models)


def _read_entry(entry: str) -> ExtraModel:
    found = _ENTRY.fullmatch(entry.lower())
    units = Decimal(found["units"]) if found and found["units"] else None
    if found is None or units == 0:
        raise ConfigurationError(
            f"{NAME} must list models as name=route/model or name=route/model@units, such as "
            f"4.0-omni=omni-video/kling-4.0-omni@1.5, where route is {', '.join(ROUTES[:-1])} or {ROUTES[-1]} and "
            f"units are the most that a second may cost; {entry[:80]!r} is none."
        )
    if found["name"] in LISTED:
        raise ConfigurationError(f"{NAME} must not name a model that this server knows; {found['name']!r} is one.")
    return ExtraModel(found["name"], found["route"], found["model"], units)
