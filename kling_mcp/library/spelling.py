"""Typos: how many a word may have, and the edit distance of two words. Pure.

A word with digits may have none: "clip 7" must never find "clip 8".
"""

from __future__ import annotations

MIN_CORRECTED_CHARACTERS, TWO_ERRORS_FROM = 3, 8


def has_spelling(word: str) -> bool:
    """Whether a word can be misspelt: it has letters, more than one, and no digit."""
    return len(word) > 1 and not any(character.isdigit() for character in word)


def errors_allowed(word: str) -> int:
    """0 for words of one or two letters and for anything with a digit, 2 for long words, otherwise 1."""
    if len(word) < MIN_CORRECTED_CHARACTERS or not has_spelling(word):
        return 0
    return 2 if len(word) >= TWO_ERRORS_FROM else 1


def intact_ends(word: str, errors: int) -> tuple[str, str]:
    """A prefix and a suffix, at least one of which survives that many errors.

    With one error, one of two halves is intact. With two, the first or the last third is intact unless both were hit;
    such words are not found.
    """
    cut = len(word) // (errors + 1)
    return word[: max(1, cut)], word[-max(1, cut) :]


def distance(one: str, other: str, most: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours; `most + 1` if there are more than `most`."""
    beyond = most + 1
    if abs(len(one) - len(other)) > most:
        return beyond
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, character in enumerate(one, start=1):
        now = [row, *[beyond] * len(other)]
        # Further from the diagonal there are more than `most` insertions or deletions.
        for column in range(max(1, row - most), min(len(other), row + most) + 1):
            rival = other[column - 1]
            cost = min(
                last[column] + 1,
                now[column - 1] + 1,
                last[column - 1] + (character != rival),
            )
            if row > 1 and column > 1 and character == other[column - 2] and one[row - 2] == rival:
                cost = min(cost, before[column - 2] + 1)
            now[column] = cost
        if min(now) > most:
            return beyond
        before, last = last, now
    return min(last[-1], beyond)
