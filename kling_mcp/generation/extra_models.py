"""Models that the table does not list, as an operator names them. Pure.

Such a model is checked against the newest listed one on the same route, because Kling ignores and bills what it does
not understand (fact: gen-unknown-fields-billed), and because no page tells its own rules yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from kling_mcp.generation.models import VIDEO_ROUTES

if TYPE_CHECKING:
    from kling_mcp.generation.models import VideoRoute

# Name, route, Kling's name of the model, and the most units a second, or None if the operator gives no price.
ExtraModel = tuple[str, str, str, Decimal | None]


def extra_routes(models: Iterable[ExtraModel]) -> tuple[VideoRoute, ...]:
    """A row for each model, on a route of the 3.0 standard. fact: gen30-routes"""
    return tuple(
        replace(
            (known := _newest_on(route)),
            model=name,
            path=f"/{route}/{model_name}",
            like=known.model,
            most_units_a_second=units,
        )
        for name, route, model_name, units in models
    )


def _newest_on(route: str) -> VideoRoute:
    """The table has the newest model of each route first."""
    return next(known for known in VIDEO_ROUTES if known.path.startswith(f"/{route}/"))
