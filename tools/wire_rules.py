"""Compares two documents of `wire_now.py`, and says of each change whether an existing user may stumble over it.

Pure. What callers say may become freer and never stricter; what they are told may become stricter and never freer.
Texts may change. Whatever these rules cannot judge counts as breaking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Document = dict[str, Any]

TEXTS = ("title", "description", "instructions")
MINIMA = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MAXIMA = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
# A type beside one that takes everything the first takes. A secret may also come from a file.
WIDER = {("integer", "number"), ("value", "values"), ("text", "secret")}
# Clients let calls through unasked because of these; the value that promises more.
PROMISES = {"readOnlyHint": True, "idempotentHint": True, "destructiveHint": False, "openWorldHint": False}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is: in words, and the names by which people know it."""

    words: str = ""
    names: tuple[str, ...] = ()

    def inside(self, noun: str, name: str) -> Place:
        """A named thing in here."""
        return Place(f"{self.words}, {noun} {name}".removeprefix(", "), (*self.names, name))


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that somebody may notice."""

    place: Place
    words: str
    is_breaking: bool

    def __str__(self) -> str:
        return f"{self.place.words}: {self.words}"


def changes_between(old: Document, new: Document) -> list[Change]:
    """Every change from one document to another; the versions themselves are not compared."""
    found: list[Change] = []
    for section in sorted((old.keys() | new.keys()) - {"version"}):
        was, now = old.get(section, {}), new.get(section, {})
        if section in _NAMED:
            noun, rule = _NAMED[section]
            found += _named(Place(), noun, was, now, rule)
        elif section in _SCHEMAS:
            found += _SCHEMAS[section].schema(Place(), was, now)
        elif was != now:
            found.append(_unjudged(Place(section, (section,)), section, was, now))
    return found


# --- things with names


def _named(place: Place, noun: str, old: Document, new: Document, rule: Rule) -> Iterator[Change]:
    """What has gone, what is new, and what changed inside of the others."""
    for name in sorted(old.keys() - new.keys()):
        yield Change(place.inside(noun, name), "is gone", is_breaking=True)
    for name in sorted(new.keys() - old.keys()):
        yield Change(place.inside(noun, name), "is new", is_breaking=False)
    for name in sorted(old.keys() & new.keys()):
        yield from rule(place.inside(noun, name), old[name], new[name])


def _fields(**rules: Rule) -> Rule:
    """A rule for an object of which each known field has a rule of its own."""

    def rule(place: Place, old: Document, new: Document) -> Iterator[Change]:
        for field in sorted(old.keys() | new.keys()):
            was, now = old.get(field), new.get(field)
            if was == now:
                continue
            if field in TEXTS:
                yield Change(place, f"another {field}", is_breaking=False)
            elif field in rules:
                yield from rules[field](place, was or {}, now or {})
            else:
                yield _unjudged(place, field, was, now)

    return rule


def _unjudged(place: Place, field: str, was: Any, now: Any) -> Change:
    return Change(place, f"{field} was {was!r} and is {now!r}", is_breaking=True)


def _offers(place: Place, old: Document, new: Document) -> Iterator[Change]:
    """Capabilities and the like: a name that is there, or true, is an offer."""
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, False), new.get(name, False)
        inner = place.inside("offer", name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _offers(inner, was, now)
        elif was != now:
            if was is False:
                yield Change(inner, "is new", is_breaking=False)
            elif now is False:
                yield Change(inner, "is gone", is_breaking=True)
            else:
                yield _unjudged(inner, name, was, now)


def _hints(place: Place, old: Document, new: Document) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            keeps_more = name in PROMISES and now is PROMISES[name]
            yield Change(place.inside("hint", name), f"was {was} and is {now}", is_breaking=not keeps_more)


# --- what people fill in, and what they are told


@dataclass(frozen=True, slots=True)
class _Sense:
    """Which way a schema is used: `noun` is one entry; `is_told` if it describes what the server says."""

    noun: str
    is_told: bool

    def schema(self, place: Place, old: Document, new: Document) -> Iterator[Change]:
        """The changes of a schema, which describes this place, and of all in it."""
        yield from self._node(place, place, "", old, new)

    def _node(self, root: Place, place: Place, path: str, old: Document, new: Document) -> Iterator[Change]:
        """One schema inside the outermost one, which is the root's; the path leads there."""
        yield from self._properties(root, path, old, new)
        for word in sorted((old.keys() | new.keys()) - {"properties", "required", "items"}):
            was, now = old.get(word), new.get(word)
            if was == now:
                continue
            if word in TEXTS:
                yield Change(place, f"another {word}", is_breaking=False)
            elif word == "default":
                yield Change(place, f"left out, it was {was!r} and is {now!r}", is_breaking=True)
            else:
                yield self._limit(place, word, was, now)
        if "items" in old and "items" in new:
            yield from self._node(root, place, f"{path}[]", old["items"], new["items"])
        elif "items" in old or "items" in new:
            yield self._narrows(place, "what the list holds", narrower="items" in new)

    def _properties(self, root: Place, path: str, old: Document, new: Document) -> Iterator[Change]:
        was, now = old.get("properties", {}), new.get("properties", {})
        had, has = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(was.keys() | now.keys()):
            full = f"{path}.{name}".removeprefix(".")
            inner = Place(root.inside(self.noun, full).words, (*root.names, name))
            if name not in now:
                yield Change(inner, "is gone", is_breaking=True)
            elif name not in was:
                must = name in has and not self.is_told
                yield Change(inner, "is new and required" if must else "is new", is_breaking=must)
            else:
                yield from self._node(root, inner, full, was[name], now[name])
                if (name in had) != (name in has):
                    yield self._narrows(inner, "being there", narrower=name in has)

    def _limit(self, place: Place, word: str, was: Any, now: Any) -> Change:
        """A keyword that says which values there are."""
        words = f"{word} was {was!r} and is {now!r}"
        narrower = _is_narrower(word, was, now)
        if narrower is None:
            return Change(place, words, is_breaking=True)
        return Change(place, words, is_breaking=narrower is not self.is_told)

    def _narrows(self, place: Place, what: str, *, narrower: bool) -> Change:
        words = f"{what} is {'now' if narrower else 'no longer'} {'promised' if self.is_told else 'demanded'}"
        return Change(place, words, is_breaking=narrower is not self.is_told)


def _is_narrower(word: str, was: Any, now: Any) -> bool | None:
    """Whether fewer values are left; None if that is not certain."""
    if word in MINIMA or word in MAXIMA:
        if was is None or now is None:
            return was is None
        are_numbers = all(isinstance(one, int | float) for one in (was, now))
        return bool(now > was) is (word in MINIMA) if are_numbers else None
    if word == "enum":
        if was is None or now is None:
            return was is None
        return _subset(set(now), set(was))
    if word == "type":
        return True if (now, was) in WIDER else False if (was, now) in WIDER else None
    if word == "additionalProperties" and all(isinstance(one, bool | None) for one in (was, now)):
        return now is False
    return None


def _subset(now: set[str], was: set[str]) -> bool | None:
    return True if now < was else False if now > was else None


if TYPE_CHECKING:
    Rule = Callable[[Place, Document, Document], Iterator[Change]]

_ASKED, _TOLD = _Sense("argument", is_told=False), _Sense("result field", is_told=True)
_TOOL = _fields(inputSchema=_ASKED.schema, outputSchema=_TOLD.schema, annotations=_hints, _meta=_offers)
_RESOURCE = _fields(_meta=_offers)
_NAMED: dict[str, tuple[str, Rule]] = {
    "handshake": ("protocol revision", _fields(capabilities=_offers)),
    "tools": ("tool", _TOOL),
    "prompts": ("prompt", _fields(arguments=_ASKED.schema)),
    "resources": ("resource", _RESOURCE),
    "templates": ("resource template", _RESOURCE),
    "commands": ("command", _Sense("option", is_told=False).schema),
}
_SCHEMAS = {
    "variables": _Sense("variable", is_told=False),
    "headers": _Sense("header", is_told=False),
    "failures": _Sense("last line's", is_told=True),
    "library": _Sense("library name", is_told=True),
}
