"""A rule says what must be: `argument: must ...; got ... . Fix: ...`, wherever a problem is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository_files import tree_of

from kling_mcp.api.protocol import query_task
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.source import parse_source
from kling_mcp.server.arguments import parse_arguments
from kling_mcp.server.tools import NAMES, load

PACKAGE = Path(__file__).parents[1] / "kling_mcp"
# What takes a rule, as its second argument. Within them it is a parameter.
MAKERS = {"Problem", "_refused", "refuse", "_Unreadable", "bad_cursor"}
# Functions whose result begins with a rule, or is one.
GIVERS = {"_form_problem", "_address_problem", "_as_rule", "_one_of"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_rule(node: ast.expr, names: dict[str, list[ast.expr]]) -> bool:
    """Whether an expression can only be a text that begins with "must "."""
    match node:
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text.startswith("must ")
        case ast.IfExp(body=body, orelse=other):
            return is_rule(body, names) and is_rule(other, names)
        case ast.Call(func=ast.Name(id=name)):
            return name in GIVERS
        case ast.Name(id=name) if name in names:
            return all(is_rule(value, names) for value in names[name])
    return False


def names_of(module: ast.Module, function: Function) -> dict[str, list[ast.expr]]:
    """What the names in a function can be: its own, else the module's; a loosened tuple of a giver is a rule."""
    names: dict[str, list[ast.expr]] = {}
    for body in ([*module.body], [*ast.walk(function)]):
        local: dict[str, list[ast.expr]] = {}
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    local.setdefault(name, []).append(value)
                case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name), *_])], value=ast.Name(id="refusal")):
                    local.setdefault(name, []).append(ast.Call(ast.Name(next(iter(GIVERS))), [], []))
        names |= local
    return names


def rules_in(path: Path) -> Iterator[tuple[int, bool]]:
    """Each place of a module where a rule is given, and whether it has the form."""
    module = tree_of(path)
    for function in (node for node in ast.walk(module) if isinstance(node, Function)):
        names = names_of(module, function)
        passed_on = {argument.arg for argument in function.args.args}
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name(id=maker) | ast.Attribute(attr=maker), args=[_, rule, *_]) if (
                    maker in MAKERS and not (isinstance(rule, ast.Name) and rule.id in passed_on)
                ):
                    yield node.lineno, is_rule(rule, names)
                case ast.Return(value=ast.Tuple(elts=[rule, _])) if function.name in GIVERS:
                    yield node.lineno, is_rule(rule, names)
                case ast.Return(value=ast.IfExp() as rule) if function.name in GIVERS:
                    yield node.lineno, is_rule(rule, names)


def test_every_rule_of_the_package_begins_with_must() -> None:
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}:{line}": ok
        for path in sorted(PACKAGE.rglob("*.py"))
        if "simulator" not in path.parts  # its texts are those of Kling
        for line, ok in rules_in(path)
    }
    assert len(found) > 50
    assert {place for place, ok in found.items() if not ok} == set()


GOOD = ElementDraft("Mia", "Barista", "image_refer")
DRAFTS = [
    ElementDraft("", "", "", tags=("x",), element_voice_id="Anna", external_task_id="a b", callback_url="http://x"),
    ElementDraft("x" * 21, "x" * 101, "image_refer", refer_images=("x",) * 4, video_url="https://example.com/a.mp4"),
    ElementDraft("a\nb", "a\u202eb", "video_refer", frontal_image="https://example.com/a.png", video_url="a.mp4"),
    ElementDraft(
        "Mia", "x", "video_refer", video_url="https://example.com/a.webm", callback_url="https://" + "x" * 3000
    ),
]
SOURCES = ["", "/9j/" + "A" * 600, "ftp://example.com/a.png", "data:x", "data:;base64,???", "file:a.png", "file:///%ff"]
SOURCES += ["../a.png", "a\0b.png", "x" * 5000, "http://example.com/a.png", "https://localhost/a.png", "sandbox:/a.png"]
SOURCES += ["https://a b/", "https://me@example.com/", "https://exa..mple/", "https://example.com:x/", "C:\\a.png"]


def problems_of_inputs(folder: Path) -> Iterator[Problem]:
    """Every kind of problem that texts alone can have."""
    policy = MediaPolicy((folder,))
    (folder / "a.png").write_text("text")
    with pytest.raises(InputError) as caught:
        query_task("/v1/general/advanced-custom-elements", "..")
    yield from caught.value.problems
    for draft in DRAFTS:
        with pytest.raises(InputError) as caught:
            prepare(draft, policy)
        yield from caught.value.problems
    for source in SOURCES:
        with pytest.raises(InputError) as caught:
            parse_source(source, "frontal_image", policy)
        yield from caught.value.problems
    for path, where in (("missing.png", policy), ("a.png", policy), ("", policy), ("a.png", MediaPolicy())):
        with pytest.raises(InputError) as caught:
            prepare(ElementDraft("Mia", "x", "image_refer", str(folder / path)), where)
        yield from caught.value.problems


def problems_of_arguments() -> Iterator[Problem]:
    """What the form of arguments can have wrong, in each argument of each tool."""
    for tool in map(load, NAMES):
        for name in [*tool.arguments.model_fields, "no_such_argument"]:
            for value in ({"a": 1}, 2**60, 1.5, "\u202e" * 300, ["x"] * 2000, -1):
                try:
                    parse_arguments(tool.arguments, {name: value})
                except InputError as error:
                    yield from error.problems


def test_rules_of_actual_problems_begin_with_must(tmp_path: Path) -> None:
    problems = [*problems_of_inputs(tmp_path), *problems_of_arguments()]
    assert len({problem.rule for problem in problems}) > 40
    assert {problem.rule for problem in problems if not problem.rule.startswith("must ")} == set()
    # As it is told, it is one sentence: the rule has no end of its own.
    assert {problem.rule for problem in problems if problem.rule.endswith((".", ";", ":"))} == set()
