"""The pages of docs/ say what the code does: what is written from the code is current, and tables are compared."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import write_films_page
import write_reference
import write_tools_page
from documentation import DOCS, bare, tables_of
from readings import plain_variables, secret_variables
from repository_files import ROOT

from kling_mcp import cli
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import CREATES_PER_DAY, CREATES_PER_MINUTE, MAX_REQUEST_MB, MAX_REQUEST_MB_FROM_OTHERS

SETTINGS = [row for table in tables_of(DOCS / "settings.md") for row in table]
[FIGURES] = tables_of(DOCS / "figures.md")


def test_page_of_tools_matches_the_code() -> None:
    assert write_tools_page.page() == write_tools_page.PAGE.read_text("utf-8"), "run: python tools/write_tools_page.py"


def test_tables_of_models_and_prices_match_the_code() -> None:
    films = write_films_page.PAGE.read_text("utf-8")
    assert write_films_page.with_tables(films) == films, "run: python tools/write_films_page.py"


@pytest.mark.parametrize(
    ("path", "text"), write_reference.pages().items(), ids=lambda value: getattr(value, "name", "")
)
def test_tables_of_errors_and_limits_match_the_code(path: Path, text: str) -> None:
    assert path.read_text("utf-8") == text, "run: python tools/write_reference.py"


def test_tables_of_settings_name_exactly_what_is_read() -> None:
    names = [bare(name) for name, _, _ in SETTINGS]
    assert sorted(names) == sorted(plain_variables())


@pytest.mark.parametrize(("name", "default"), [(bare(row[0]), bare(row[2])) for row in SETTINGS])
def test_setting_a_variable_to_its_default_changes_nothing(name: str, default: str) -> None:
    assert Settings.from_env({name: default}) == Settings.from_env({})


def test_tables_of_settings_give_the_default_limits_of_a_host() -> None:
    defaults = {default for _, _, default in SETTINGS}
    assert defaults >= {
        f"{CREATES_PER_MINUTE} over http, no limit over stdio",
        f"{CREATES_PER_DAY} over http, no limit over stdio",
        f"{MAX_REQUEST_MB} on this computer, {MAX_REQUEST_MB_FROM_OTHERS} from others",
    }


def test_every_secret_may_come_from_a_file(tmp_path: Path) -> None:
    forms = {"KLING_MCP_STATE_URL": "postgresql://host/kling", "KLING_WEBHOOK_SECRET": "whsec_c2VjcmV0"}
    values = {name: forms.get(name, f"the-value-of-{name}") for name in secret_variables()}
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n", "utf-8")
    read = Settings.from_env({f"{name}_FILE": str(tmp_path / name) for name in values})
    assert sorted(read.secrets) == sorted(values.values())


def commands() -> set[str]:
    """The commands there are."""
    subparsers = (action for action in cli._build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {name for action in subparsers for name in action.choices}


def test_table_of_commands_names_exactly_the_commands_there_are() -> None:
    first, *_ = tables_of(DOCS / "command-line.md")
    assert {bare(row[0]) for row in first} == {"kling-mcp", *(f"kling-mcp {command}" for command in commands())}


@pytest.mark.parametrize(("name", "ratio"), [(bare(row[0]), row[2]) for row in FIGURES])
def test_table_of_figures_quotes_the_newest_results(name: str, ratio: str) -> None:
    newest = max((ROOT / "benchmarks" / "results").glob(f"{name}-????-??-??.txt"))
    assert ratio in newest.read_text("utf-8").replace(",", " ").split(), f"{newest.name} does not say {ratio}"


def test_variables_that_pages_name_exist() -> None:
    """In every page; a name ending in `_FILE` is that of a secret."""
    known = plain_variables() | {f"{name}_FILE" for name in secret_variables()}
    named = {
        (path.name, name)
        for path in DOCS.glob("*.md")
        for name in re.findall(r"\bKLING_[A-Z_]+[A-Z]", path.read_text("utf-8"))
    }
    assert {(page, name) for page, name in named if name not in known} <= {("operating.md", "KLING_HOST")}
