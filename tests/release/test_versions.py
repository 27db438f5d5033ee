"""`tools/check_release.py`: a release whose version is not the same everywhere is stopped before anything is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from check_release import differences, main, manifests, section_of
from repository_files import ROOT

CHANGELOG = "# Changelog\n\n## 1.2.3 (2026-11-27)\n\n- New.\n\n## 1.2.2 (2026-11-01)\n\n- Old.\n"


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A small repository in which everything agrees on 1.2.3."""
    write(tmp_path, "kling_mcp/_version.py", '__version__ = "1.2.3"\n')
    write(tmp_path, "server.json", {"version": "1.2.3", "packages": [{"version": "1.2.3"}]})
    write(tmp_path, "CHANGELOG.md", CHANGELOG)
    write(tmp_path, "tests/released/1.2.3.json", {})
    return tmp_path


def write(root: Path, name: str, content: str | dict[str, Any]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def test_versions_of_this_repository_agree() -> None:
    assert differences(ROOT) == []


def test_release_in_which_everything_agrees_passes_and_gets_its_notes(tagged: Path, tmp_path: Path) -> None:
    assert main(["--root", str(tagged), "--tag", "v1.2.3", "--notes", str(tmp_path / "notes.md")]) == 0
    assert (tmp_path / "notes.md").read_text("utf-8") == "- New.\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("server.json", {"version": "1.2.2", "packages": []}, "server.json: version is 1.2.2, not 1.2.3"),
        (
            "server.json",
            {"version": "1.2.3", "packages": [{"version": "1.2.3"}, {"version": "1.2.4"}]},
            "server.json: packages[1].version is 1.2.4, not 1.2.3",
        ),
        ("bundle/manifest.json", {"version": "1.0.0"}, "bundle/manifest.json: version is 1.0.0, not 1.2.3"),
        (
            "plugins/.claude-plugin/marketplace.json",
            {"metadata": {"version": "1.2.3"}, "plugins": [{"name": "kling", "version": "1.2"}]},
            "plugins/.claude-plugin/marketplace.json: plugins[0].version is 1.2, not 1.2.3",
        ),
        (
            "plugin/plugin.json",
            {"mcpServers": {"kling": {"command": "uvx", "args": ["kling-mcp@1.1.0"]}}},
            "plugin/plugin.json: kling-mcp@1.1.0 is 1.1.0, not 1.2.3",
        ),
        (
            "skills/kling/SKILL.md",
            "---\nname: kling\nmetadata:\n  version: '1.2.0'\n---\nText\n",
            "skills/kling/SKILL.md: version is 1.2.0, not 1.2.3",
        ),
        ("CHANGELOG.md", "# Changelog\n\n## 1.2.2 (2026-11-01)\n", "CHANGELOG.md: has no heading for 1.2.3"),
        (
            "CHANGELOG.md",
            "# Changelog\n\n## 1.2.3 (unreleased)\n",
            "CHANGELOG.md: the heading of 1.2.3 has no date",
        ),
        ("kling_mcp/_version.py", '__version__ = "1.2.4"\n', "the tag is v1.2.3, not v1.2.4"),
    ],
)
def test_file_with_another_version_is_named(tagged: Path, name: str, content: Any, said: str) -> None:
    write(tagged, name, content)
    assert said in differences(tagged, "v1.2.3")


def test_interface_must_be_frozen_before_the_tag(tagged: Path) -> None:
    (tagged / "tests/released/1.2.3.json").unlink()
    assert differences(tagged) == []
    [said] = differences(tagged, "v1.2.3")
    assert said.startswith("tests/released: has no 1.2.3")


def test_manifests_in_environments_and_caches_do_not_count(tagged: Path) -> None:
    for folder in (".venv/lib", "node_modules/x", "dist", "tests/bundle"):
        write(tagged, f"{folder}/manifest.json", {"version": "0.0.1"})
    assert manifests(tagged) == []


def test_section_of_the_changelog_ends_at_the_next_version() -> None:
    assert section_of(CHANGELOG, "1.2.3") == ("(2026-11-27)", "- New.")
    assert section_of(CHANGELOG, "1.2.2") == ("(2026-11-01)", "- Old.")
    assert section_of(CHANGELOG, "1.2") is None
