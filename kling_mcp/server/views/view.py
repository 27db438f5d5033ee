"""The base of every result."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A result. Every field is always present; empty text and lists mean "none".

    Attributes:
        SHOWN: the fields that `tools/list` names, because a program steers by them; a result explains the rest itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    SHOWN: ClassVar[tuple[str, ...]] = ()
