"""The text of a lock file: what `Lock` looks like as JSON. Pure.

Keys are sorted and every value has its line, so that a change is readable under version control. Keys that this
version does not know stay when an entry is written again.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from kling_mcp.errors import InputError
from kling_mcp.production.model import Lock, LockedElement, LockedShot, Place, ReplacedElement, SheetProblem
from kling_mcp.sanitize import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
WHOLE = "lock file"
_KEEP = "keep the file; take an earlier version of it from version control or a backup"
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})", re.MULTILINE)
_MAX_TAKE = 1000

Raw = dict[str, Any]


def parse_raw(text: str) -> Raw:
    """The JSON of a lock file, whose form as a whole is right.

    Raises:
        InputError: it is no lock file, is damaged, or is of a newer version. Nothing is lost: it stays as it is.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        if _CONFLICT.search(text):
            _refuse("must have no conflict marks", "an unfinished merge", "keep the entries of both sides.", line)
        _refuse("must be valid JSON", "something else", f"{_KEEP}.", line)
    if not isinstance(told, dict) or not isinstance(told.get("version"), int):
        _refuse("must be a map with a version", "something else", f"{_KEEP}.")
    if told["version"] > VERSION:
        rule = f"must be of version {VERSION}, the newest that this kling-mcp knows"
        _refuse(rule, str(told["version"])[:20], "install the newer kling-mcp that wrote it.")
    for part in ("cast", "shots"):
        if not isinstance(told.setdefault(part, {}), dict):
            _refuse(f"must have a map under {part}", "something else", f"{_KEEP}.")
    return told


def lock_of(raw: Raw) -> Lock:
    """What the JSON says.

    Raises:
        InputError: every entry that cannot be read.
    """
    problems: list[SheetProblem] = []
    cast: dict[str, LockedElement] = {}
    shots: dict[str, Mapping[int, LockedShot]] = {}
    for name, entry in raw["cast"].items():
        try:
            cast[name] = _element(entry)
        except (TypeError, ValueError) as error:
            problems.append(_unreadable(f"cast.{identifier(name)}", error))
    for shot_id, about in raw["shots"].items():
        try:
            takes = _map(_map(about).get("takes", {}))
            shots[shot_id] = MappingProxyType({_take(take): _shot(entry) for take, entry in takes.items()})
        except (TypeError, ValueError) as error:
            problems.append(_unreadable(f"shots.{identifier(shot_id)}", error))
    if problems:
        raise InputError(problems, advice="Nothing was made, and the lock file was not changed.")
    return Lock(version=VERSION, cast=MappingProxyType(cast), shots=MappingProxyType(shots))


def merged(
    raw: Raw, cast: Mapping[str, LockedElement], shots: Mapping[str, Mapping[int, LockedShot]], *, now: str
) -> Raw:
    """The JSON with these entries in place of those of the same name or take; everything else stays.

    The element that an entry had is never forgotten, whoever put it there meanwhile: it joins `replaced`.

    Args:
        now: ISO 8601 in UTC.
    """
    new: Raw = {**raw, "version": VERSION, "cast": {**raw.get("cast", {})}, "shots": {**raw.get("shots", {})}}
    for name, element in cast.items():
        before = _old(new["cast"].get(name))
        entry = asdict_of(element)
        new["cast"][name] = {**before, **entry, "replaced": _history(before, entry, now)}
    for shot_id, takes in shots.items():
        about = _old(new["shots"].get(shot_id))
        before = _old(about.get("takes"))
        own = {str(take): {**_old(before.get(str(take))), **asdict_of(shot)} for take, shot in takes.items()}
        new["shots"][shot_id] = {**about, "takes": {**before, **own}}
    return new


def _history(before: Raw, entry: Raw, now: str) -> list[Any]:
    """The earlier elements of an entry: those in the file, and those that the new entry knows."""
    old = before.get("replaced")
    known: dict[str, Any] = {}
    for element in [*(old if isinstance(old, list) else []), *entry["replaced"]]:
        known[str(_old(element).get("element_id", ""))] = element
    last = before.get("element_id")
    if isinstance(last, str) and last:
        known.setdefault(last, asdict(ReplacedElement(last, str(before.get("element_name", "")), now)))
    known.pop(entry["element_id"], None)
    return list(known.values())


def to_text(raw: Raw) -> str:
    """The file."""
    return json.dumps(raw, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def asdict_of(entry: LockedElement | LockedShot) -> Raw:
    """An entry as JSON. Every id is text."""
    about: Raw = {field.name: getattr(entry, field.name) for field in fields(entry)}
    for name, value in about.items():
        if name == "replaced":
            about[name] = [asdict(replaced) for replaced in value]
        elif isinstance(value, tuple):
            about[name] = list(value)
        elif not isinstance(value, str):
            about[name] = dict(value)
    return about


def _element(entry: object) -> LockedElement:
    told = _map(entry)
    return LockedElement(
        element_id=_text(told, "element_id"),
        element_name=_text(told, "element_name"),
        task_id=_text(told, "task_id"),
        external_task_id=_text(told, "external_task_id"),
        content=_text(told, "content"),
        made_from=_texts_by_name(told, "made_from"),
        made_at=_text(told, "made_at"),
        replaced=tuple(
            ReplacedElement(*(_text(_map(old), name) for name in ("element_id", "element_name", "replaced_at")))
            for old in _list(told, "replaced")
        ),
    )


def _shot(entry: object) -> LockedShot:
    told = _map(entry)
    files = _list(told, "files")
    if not all(isinstance(file, str) for file in files):
        raise TypeError("files must be texts")
    return LockedShot(
        task_id=_text(told, "task_id"),
        external_task_id=_text(told, "external_task_id"),
        content=_text(told, "content"),
        made_from=_texts_by_name(told, "made_from"),
        files=tuple(files),
        units=_text(told, "units"),
        element_ids=_texts_by_name(told, "element_ids"),
        made_at=_text(told, "made_at"),
    )


def _take(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _MAX_TAKE):
        raise ValueError("takes must be numbers from 1")
    return int(text)


def _text(told: Mapping[str, object], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, in quotes")
    return value


def _texts_by_name(told: Mapping[str, object], name: str) -> Mapping[str, str]:
    value = _map(told.get(name, {}))
    if not all(isinstance(text, str) for text in value.values()):
        raise TypeError(f"{name} must hold texts, in quotes")
    return MappingProxyType(dict(value))


def _list(told: Mapping[str, object], name: str) -> list[Any]:
    value = told.get(name, [])
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list")
    return value


def _map(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it must be a map")
    return value


def _old(value: object) -> Raw:
    return dict(value) if isinstance(value, dict) else {}


def _unreadable(path: str, error: Exception) -> SheetProblem:
    return SheetProblem(path, "must be as it was written", str(error), f"{_KEEP}, or remove this entry.")


def _refuse(rule: str, actual: str, fix: str, line: int = 0) -> NoReturn:
    problem = SheetProblem(WHOLE, rule, actual, fix, Place(line))
    raise InputError([problem], advice="Nothing was made, and the lock file was not changed.")
