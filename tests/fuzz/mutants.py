"""Random changes of true examples: with the same dice always the same ones.

A change of bytes soon makes JSON that nobody can read; so JSON is also changed as values.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from fuzz.replies import VALUES, places_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.doors import Door

MAX_CHANGES, MAX_PIECE, MAX_PLACES = 6, 40, 2000


def mutants(door: Door, number: int, seed: str) -> Iterator[bytes]:
    """The examples, then so many changed ones."""
    dice, seeds = random.Random(seed), door.make_seeds()
    yield from seeds
    for _ in range(number):
        data = dice.choice(seeds)
        is_json = door.json_at >= 0 and dice.random() < 0.7
        for _ in range(dice.randint(1, MAX_CHANGES)):
            data = changed_value(data, door.json_at, dice) if is_json else _changed_bytes(data, seeds, door, dice)
        yield data


def changed_value(data: bytes, begin: int, dice: random.Random) -> bytes:
    """The same JSON with another value, another name or something less at one place; as it is where it is none."""
    try:
        root = [json.loads(data[begin:])]
        found = list(places_in(root))
    except (ValueError, RecursionError):
        return data
    if len(found) > MAX_PLACES:
        return data
    holder, key = dice.choice(found)
    match dice.randrange(6):
        case 0 if holder is not root:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(dice.choice(VALUES))[:20]] = holder.pop(key)
        case 2:
            holder[key] = [holder[key]] * dice.choice((1, 2, 30))
        case 3:
            holder[key] = {"": holder[key], "data": holder[key]}
        case 4:
            holder[key] = _copied(found, dice)
        case _:
            holder[key] = dice.choice(VALUES)
    return data[:begin] + json.dumps(root[0]).encode()


def _copied(found: list[tuple[Any, Any]], dice: random.Random) -> Any:
    """What stands somewhere else; a copy, for a value within itself would have no end."""
    holder, key = dice.choice(found)
    return json.loads(json.dumps(holder[key]))


def _changed_bytes(data: bytes, seeds: Any, door: Door, dice: random.Random) -> bytes:
    place = dice.randint(0, len(data))
    end = min(len(data), place + dice.randint(0, MAX_PIECE))
    piece = data[place:end]
    match dice.randrange(6):
        case 0:
            piece = b""
        case 1:
            piece *= dice.choice((2, 3, 100))
        case 2 if door.words:
            piece += dice.choice(door.words)
        case 3 if door.words:
            piece = dice.choice(door.words)
        case 4:
            other = dice.choice(seeds)
            begin = dice.randint(0, len(other))
            piece = other[begin : begin + MAX_PIECE]
        case _:
            piece = bytes([dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))]) + piece[1:]
    return data[:place] + piece + data[end:]
