"""Ids that were damaged on their way here: a JSON number above 2^53, or a cell of a spreadsheet. Pure.

Kling's ids have up to 19 digits, more than a float holds, so they travel as text. fact: id-as-string
"""

from __future__ import annotations

import re

MAX_SAFE_INTEGER = 2**53 - 1

# "8.81199455830155E+17", with a comma in some languages, or "160.0".
_ROUNDED = re.compile(r"\d+[.,]0*|\d(?:[.,]\d+)?e\+?\d{1,3}", re.IGNORECASE)
_READ_CHARACTERS = 40

EXACT_FIX = "take the id as text from Kling's answer, from find_elements or from list_elements"
ROUNDED = f"This looks like an id that was rounded on the way, in a spreadsheet or as a JSON number: {EXACT_FIX}."


def is_rounded(text: str) -> bool:
    """Whether a text looks like an id that became a decimal number. A name may look like that, too."""
    return len(text) <= _READ_CHARACTERS and _ROUNDED.fullmatch(text.strip()) is not None
