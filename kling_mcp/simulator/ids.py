"""Ids in the sizes that Kling uses, all different, in no order that a client could rely on.

Must not keep state: an id depends only on its number.
"""

from typing import Literal

# fact: id-as-string. 2^53 is 9007199254740992: the 18-digit ids below are larger and odd,
# so a reader that converts them to a float gets another id.
_SPREAD = 6_180_339_887_498_949  # coprime to ten, so that no number repeats
_SPAN = 10**16


def task_id(number: int) -> str:
    """18 or 19 digits. fact: task-id-digits"""
    base = 1_800_000_000_000_000_000 if number % 3 == 0 else 870_000_000_000_000_000
    return str(base + number * _SPREAD % _SPAN)


def element_id(number: int, digits: Literal[15, 18]) -> str:
    """15 digits, or 18 digits above 2^53."""
    if digits == 15:
        return str(300_000_000_000_000 + number * _SPREAD % 10**14)
    return str(820_000_000_000_000_000 + 2 * (number * _SPREAD % (_SPAN // 2)) + 1)


def voice_id(number: int) -> str:
    """18 digits (fact: voice-record)."""
    return str(830_000_000_000_000_000 + number * _SPREAD % _SPAN)


def request_id(number: int) -> str:
    """Text such as Kling's `Cl6x...`."""
    return f"Cl6sim{number:08d}"
