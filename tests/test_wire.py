"""The diff of the wire: what may break an existing user is seen and called so, and a release cannot hide it."""

from __future__ import annotations

import copy
import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wire
from wire_now import read_wire
from wire_rules import Change, changes_between

import kling_mcp

ROOT = Path(__file__).parents[1]
Document = dict[str, Any]


@functools.cache
def _now() -> str:
    return json.dumps(read_wire())


@pytest.fixture
def now() -> Document:
    """What is really on the wire; every test gets a copy of its own to spoil."""
    document: Document = json.loads(_now())
    return document


# ---- the repository as it is


def test_every_dated_version_has_its_frozen_wire() -> None:
    """Before the first release there are none of either, and nothing can be compared."""
    frozen = {path.stem for path in wire.RELEASED.glob("*.json")}
    assert frozen == set(wire.dated_versions(wire.CHANGELOG.read_text("utf-8")))


def test_changes_since_the_last_release_are_in_the_changelog(now: Document) -> None:
    last = wire.last_release(wire.RELEASED)
    if last is None:
        pytest.skip("nothing is released yet")
    changes = changes_between(last, now)
    assert wire.unannounced(changes, last["version"], wire.CHANGELOG.read_text("utf-8")) == []


# ---- the real wire, spoilt


def test_the_wire_does_not_differ_from_itself(now: Document) -> None:
    assert now.keys() > {"version", "handshake", "tools", "prompts", "templates", "commands", "variables", "failures"}
    assert changes_between(now, copy.deepcopy(now)) == []


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where every value stands that is no mapping, and every empty mapping."""
    if isinstance(node, dict) and node:
        for name, inner in node.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


def another(value: Any) -> Any:
    """A value of the same type that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value[:-1] if isinstance(value, list) else f"{value}more"


def test_change_of_any_value_on_the_wire_is_seen(now: Document) -> None:
    """Whatever is on the wire is compared: nothing is passed over because nobody thought of it."""
    unseen = []
    for section, *path, last in leaves({name: part for name, part in now.items() if name != "version"}):
        was, spoilt = {section: now[section]}, {section: copy.deepcopy(now[section])}
        inside = functools.reduce(lambda node, name: node[name], [section, *path], spoilt)
        if inside[last] == [] or (inside[last] == {} and last == "properties"):
            continue  # nothing is demanded and nothing is there
        if inside[last] == {}:
            del inside[last]
        else:
            inside[last] = another(inside[last])
        if not changes_between(was, spoilt):
            unseen.append([section, *path, last])
    assert unseen == []


@pytest.mark.parametrize("section", ["tools", "prompts", "resources", "templates", "commands", "handshake"])
def test_removed_names_are_breaking_and_added_names_are_not(now: Document, section: str) -> None:
    for name in now[section]:
        without = copy.deepcopy(now)
        del without[section][name]
        assert [change.is_breaking for change in changes_between(now, without)] == [True], name
        assert [change.is_breaking for change in changes_between(without, now)] == [False], name


def test_an_argument_or_result_field_breaks_when_it_goes(now: Document) -> None:
    seen = 0
    for tool in now["tools"]:
        for schema in ("inputSchema", "outputSchema"):
            for name in now["tools"][tool][schema].get("properties", {}):
                without = copy.deepcopy(now)
                del without["tools"][tool][schema]["properties"][name]
                [change] = changes_between(now, without)
                assert change.is_breaking
                assert change.place.names == (tool, name)
                seen += 1
    assert seen > 50


def test_renamed_tool_counts_as_removed_and_added(now: Document) -> None:
    renamed = copy.deepcopy(now)
    renamed["tools"]["look_up_element"] = renamed["tools"].pop("get_element")
    assert [str(change) for change in changes_between(now, renamed)] == [
        "tool get_element: is gone",
        "tool look_up_element: is new",
    ]


def test_changed_texts_are_not_breaking(now: Document) -> None:
    rewritten = copy.deepcopy(now)
    rewritten["tools"]["get_element"]["description"] = "Shorter."
    rewritten["tools"]["get_element"]["inputSchema"]["properties"]["id"]["description"] = "Any id"
    rewritten["handshake"]["2025-11-25"]["instructions"] = "Shorter."
    assert [change.is_breaking for change in changes_between(now, rewritten)] == [False, False, False]


# ---- made-up documents


def asked(properties: Document, *required: str) -> Document:
    """A wire with one tool that takes these arguments."""
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"tools": {"make": {"inputSchema": schema}}}


def told_of(properties: Document) -> Document:
    """A wire with one tool that answers with rows of these fields."""
    rows = {"type": "array", "items": {"type": "object", "properties": properties}}
    return {"tools": {"make": {"outputSchema": {"type": "object", "properties": {"rows": rows}}}}}


def only(old: Document, new: Document) -> tuple[str, bool]:
    [change] = changes_between(old, new)
    return str(change), change.is_breaking


NARROWER: list[tuple[Document, Document]] = [
    ({"type": "string"}, {"type": "string", "enum": ["a"]}),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}),
    ({"type": "number"}, {"type": "integer"}),
    ({"maximum": 500}, {"maximum": 100}),
    ({"type": "integer"}, {"type": "integer", "maximum": 100}),
    ({"minimum": 0}, {"minimum": 1}),
    ({"type": "string"}, {"type": "string", "maxLength": 20}),
    ({"minItems": 1}, {"minItems": 2}),
]


@pytest.mark.parametrize(("wide", "narrow"), NARROWER)
def test_arguments_may_become_freer_and_results_stricter(wide: Document, narrow: Document) -> None:
    assert only(asked({"x": wide}), asked({"x": narrow}))[1]
    assert not only(asked({"x": narrow}), asked({"x": wide}))[1]
    assert not only(told_of({"x": wide}), told_of({"x": narrow}))[1]
    assert only(told_of({"x": narrow}), told_of({"x": wide}))[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string"}, {"type": "integer"}),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}),
        ({"type": "string"}, {"type": "string", "pattern": "^o_"}),
        ({"type": "string", "pattern": "^o_"}, {"type": "string"}),
        ({"default": 45}, {"default": 30}),
    ],
)
def test_unjudgeable_schema_change_is_breaking_either_way(old: Document, new: Document) -> None:
    assert only(asked({"x": old}), asked({"x": new}))[1]
    assert only(told_of({"x": old}), told_of({"x": new}))[1]


def test_a_new_argument_breaks_only_if_it_is_required() -> None:
    name, tags = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    old = asked({"name": name}, "name")
    assert only(old, asked({"name": name, "tags": tags}, "name")) == ("tool make, argument tags: is new", False)
    now_required = asked({"name": name, "tags": tags}, "name", "tags")
    assert only(old, now_required) == ("tool make, argument tags: is new and required", True)
    assert only(asked({"name": name}), old) == ("tool make, argument name: being there is now demanded", True)
    assert only(old, asked({"name": name}))[1] is False


def test_a_field_deep_inside_a_result_is_called_by_its_path() -> None:
    old, new = told_of({"id": {"type": "string"}}), told_of({"id": {"type": "string"}, "age": {"type": "integer"}})
    assert only(old, new) == ("tool make, result field rows[].age: is new", False)
    assert only(new, old) == ("tool make, result field rows[].age: is gone", True)


@pytest.mark.parametrize(
    ("hint", "was", "is_breaking"),
    [("readOnlyHint", True, True), ("readOnlyHint", False, False), ("destructiveHint", False, True)],
)
def test_a_tool_that_becomes_riskier_breaks(hint: str, was: bool, is_breaking: bool) -> None:
    old, new = ({"tools": {"make": {"annotations": {hint: value}}}} for value in (was, not was))
    assert only(old, new)[1] is is_breaking


def test_a_capability_breaks_when_it_goes() -> None:
    old = {"handshake": {"2025-11-25": {"capabilities": {"prompts": {"listChanged": True}}}}}
    new = {"handshake": {"2025-11-25": {"capabilities": {"prompts": {"listChanged": False}}}}}
    assert only(old, new)[1]
    assert not only(new, old)[1]


# ---- what a release needs

LOG = "# Changelog\n\n## {version} (unreleased)\n\n- {line}\n\n## 0.3.0 (2026-12-01)\n\n- `make` is new.\n"
GONE = changes_between(asked({"size": {}}), asked({}))
NEW = changes_between(asked({}), asked({"size": {}}))


@pytest.mark.parametrize(
    ("changes", "version", "line", "lacks"),
    [
        ([], "0.3.0", "Nothing.", []),
        (NEW, "0.3.1", "More.", []),
        (NEW, "0.3.0", "More.", ["begins with 0.3.0, which is released"]),
        (GONE, "0.4.0", "`make` no longer takes `size`.", []),
        (GONE, "0.4.0", "`make` is better.", ["has no line under 0.4.0 that names `make` and `size`"]),
        (GONE, "0.3.1", "`make` no longer takes `size`.", ["raises 0.3.0 to 0.3.1 only"]),
        (GONE, "1.0.0", "`make` no longer takes `size`.", []),
    ],
)
def test_the_changelog_must_say_what_breaks(changes: list[Change], version: str, line: str, lacks: list[str]) -> None:
    said = wire.unannounced(changes, "0.3.0", LOG.format(version=version, line=line))
    assert [part.startswith(wanted) for part, wanted in zip(said, lacks, strict=True)] == [True] * len(lacks)


@pytest.mark.parametrize(("old", "new"), [("1.2.0", "1.3.0"), ("0.9.9", "0.9.10"), ("1.0.0", "0.9.0")])
def test_a_small_step_is_no_step_for_breaking_changes(old: str, new: str) -> None:
    assert not wire.is_raised_enough(old, new)


def test_before_the_first_release_there_is_nothing_to_compare(
    now: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wire.compare(now, tmp_path, wire.CHANGELOG) == 0
    assert "Nothing is released yet" in capsys.readouterr().out


def test_changes_from_one_release_to_the_next_are_compared(
    now: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changelog, released = tmp_path / "CHANGELOG.md", tmp_path / "released"
    shutil.copy(wire.CHANGELOG, changelog)
    assert wire.freeze(now, released) == 0
    assert wire.freeze(now, released) == 1, "what was released stays as it was"
    assert wire.compare(now, released, changelog) == 0
    assert "Nothing changed." in capsys.readouterr().out

    del now["tools"]["delete_element"]
    assert wire.compare(now, released, changelog) == 1
    assert "begin a heading for the next version" in capsys.readouterr().out
    changelog.write_text(f"## 9.0.0\n\n- `delete_element` has gone.\n\n{changelog.read_text('utf-8')}", "utf-8")
    assert wire.compare(now, released, changelog) == 0
    said = capsys.readouterr().out
    assert f"Since {kling_mcp.__version__}:\nBreaking:\n- tool delete_element: is gone" in said


def test_the_newest_release_is_the_highest_number(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        (tmp_path / f"{version}.json").write_text(json.dumps({"version": version}), "utf-8")
    assert wire.last_release(tmp_path) == {"version": "0.10.0"}


def test_two_files_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for file, document in zip(files, (asked({"size": {}}), asked({})), strict=True):
        file.write_text(json.dumps(document), "utf-8")
    assert wire.main([str(file) for file in files]) == 0
    assert capsys.readouterr().out == "Breaking:\n- tool make, argument size: is gone\n"
