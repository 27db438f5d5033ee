"""The form of a sheet in few words, for those who write one and cannot read the docs: an example, and every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.production.keys import CAST_KEYS, DEFAULTS_FOR_SHOTS, SHOT_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.production.keys import Key

EXAMPLE = """\
version: 1
defaults:
  tags: [Character]
  shots: {aspect_ratio: "9:16", duration: 5}
cast:
  Mia: {description: "Girl of 8, red coat", front: mia-front.jpg, others: [mia-side.jpg]}
  Pip: {element_id: "829836802793406551"}
shots:
  s01: {prompt: "@Mia waves to @Pip, slow pan"}
  s02: {prompt: "@Mia says: Come here!", audio: native, takes: 2}
"""
_HEAD = (
    "A production sheet is a text file that you write yourself (YAML, JSON or TOML). Pictures are paths from its "
    "folder or links; a prompt with @Name uses that element, and a name without @ does not:"
)


def short_form() -> str:
    """An example with the names of all keys, in a few lines."""
    shared = [f"{DEFAULTS_FOR_SHOTS.name} (keys of shots)", *_names(key for key in CAST_KEYS if key.may_default)]
    return "\n".join(
        [
            _HEAD,
            EXAMPLE.rstrip(),
            f"Keys of a cast entry: {', '.join(_names(CAST_KEYS))}.",
            f"Keys of a shot: {', '.join(_names(SHOT_KEYS))}.",
            f"Keys of defaults: {', '.join(shared)}.",
        ]
    )


def full_form() -> str:
    """An example, and what each key means."""
    return "\n".join(
        [
            _HEAD,
            "",
            EXAMPLE,
            "Keys of a cast entry; with an element_id, an element that exists is used and nothing is made:",
            *map(_line, CAST_KEYS),
            "",
            "Keys of a shot; a text alone is its prompt:",
            *map(_line, SHOT_KEYS),
            "",
            "defaults hold values for all cast entries, and under shots for all shots.",
            "plan_production checks the sheet and says its price; apply_production makes what is missing.",
            "",
        ]
    )


def _names(keys: Iterable[Key]) -> list[str]:
    return [key.name for key in keys]


def _line(key: Key) -> str:
    choices = f" One of {', '.join(key.choices)}." if key.choices else ""
    bounds = f" {key.least} to {key.most}." if key.form == "integer" else ""
    default = f" Default {key.default}." if key.default is not None else ""
    return f"- {key.name}: {key.help.replace('`', '')}{choices}{bounds}{default}"
