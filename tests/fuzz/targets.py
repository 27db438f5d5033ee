"""What the guided search feeds with bytes: one function per door through which foreign bytes come in.

A target returns, or raises something that is a finding: whatever the contract allows, it takes itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fuzz.doors import Door

_MODULES = ("callers", "kling", "files", "operators")


def targets(module: str = "") -> Mapping[str, Door]:
    """Those of one module, or all: a search loads only what it searches."""
    found: dict[str, Door] = {}
    for name in [module] if module else _MODULES:
        found |= import_module(f"fuzz.targets_of_{name}").TARGETS
    return found


def module_of(target: str) -> str:
    """The module of a target."""
    return next(name for name in _MODULES if target in targets(name))
