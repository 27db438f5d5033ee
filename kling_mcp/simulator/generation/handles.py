"""Compares the handles of a prompt with what the body gives: a wrong one is ignored and billed.

facts: handle-legacy, handle-new, handle-wrong-is-billed, gen-handle-missing

Pure. Must not refuse anything.
"""

import re
from collections.abc import Mapping, Sequence

_OLDER = re.compile(r"<<<(\w+?)_(\d+)>>>")
# An address such as a@b.example is no handle.
_NEW = re.compile(r"(?<![A-Za-z0-9_])@(\w+)")


def unmatched_new(prompt: str, ids: Sequence[str], to_name: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong with `@handles`. `ids` are all that the contents give; `to_name` are (place, id) of contents that
    the prompt must name.
    """
    found = set()
    rest = prompt
    for name in sorted(ids, key=len, reverse=True):
        handle = re.compile(rf"@{re.escape(name)}(?![A-Za-z0-9_])")
        if handle.search(rest):
            found.add(name)
            rest = handle.sub(" ", rest)
    dangling = [f"prompt @{name}" for name in _NEW.findall(rest)]
    return dangling + [f"{place} is not in the prompt" for place, name in to_name if name not in found]


def unmatched_older(prompt: str, given: Mapping[str, int], to_name: Mapping[str, Sequence[int]]) -> list[str]:
    """What is wrong with `<<<handles>>>`. `given` says how many of each word there are, and `to_name` which of them
    the prompt must name, counted from 1.
    """
    found = {(word, int(number)) for word, number in _OLDER.findall(prompt)}
    dangling = [
        f"prompt <<<{word}_{number}>>>" for word, number in sorted(found) if not 1 <= number <= given.get(word, 0)
    ]
    return dangling + [
        f"{word} {number} is not in the prompt"
        for word, numbers in to_name.items()
        for number in numbers
        if (word, number) not in found
    ]
