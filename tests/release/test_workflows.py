"""The workflow files: what they may do, and that they test and publish what the package says of itself."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from typing import Any

import pytest
from repository_files import ROOT

from release import workflows as read

WORKFLOWS = read.workflows()
JOBS = {(file, name): job for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()}
SCRIPTS = list(read.scripts())
RELEASE = WORKFLOWS["release.yml"]["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
each_job = pytest.mark.parametrize("place", JOBS, ids=lambda place: f"{place[0]}-{place[1]}")


def uses_of(job: dict[str, Any]) -> list[str]:
    """The actions that a job's steps use."""
    return [step["uses"] for step in read.steps_of(job) if "uses" in step]


def needed_by(name: str) -> set[str]:
    """Every job that must have succeeded before this one of a release starts."""
    needs = RELEASE[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct | set(chain.from_iterable(needed_by(job) for job in direct))


# --- what a workflow may do


@pytest.mark.parametrize("file", WORKFLOWS)
def test_workflow_begins_without_permissions(file: str) -> None:
    assert WORKFLOWS[file]["permissions"] == {}


@each_job
def test_job_names_its_permissions_and_its_end(place: tuple[str, str]) -> None:
    job = JOBS[place]
    assert job["permissions"]
    assert "uses" in job or 5 <= job["timeout-minutes"] <= 90


def test_only_the_jobs_that_publish_may_write() -> None:
    writing = {
        name: {scope for scope, level in job["permissions"].items() if level == "write"}
        for name, job in RELEASE.items()
    }
    assert {name: scopes for name, scopes in writing.items() if scopes} == {
        "attest": {"id-token", "attestations"},
        "index": {"id-token"},
        "image": {"packages", "id-token", "attestations"},
        "registry": {"id-token"},
        "page": {"contents"},
    }
    assert all(set(job["permissions"].values()) == {"read"} for job in WORKFLOWS["ci.yml"]["jobs"].values())


@each_job
def test_actions_are_pinned_by_commit_with_their_version_beside(place: tuple[str, str]) -> None:
    text = (read.FOLDER / place[0]).read_text("utf-8")
    for action in uses_of(JOBS[place]):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
        assert re.search(rf"{re.escape(action)} # v\d+\.\d+\.\d+$", text, re.MULTILINE)


@each_job
def test_checkout_leaves_no_credentials_behind(place: tuple[str, str]) -> None:
    for step in read.steps_of(JOBS[place]):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("step", SCRIPTS, ids=lambda step: f"{step.job}-{step.name}")
def test_script_takes_values_from_variables_alone(step: read.Step) -> None:
    """An expression would be pasted into the script before the shell reads it."""
    assert "${{" not in step.script
    assert "secrets." not in str(step)


def test_workflows_need_no_secret_and_name_no_registry() -> None:
    hosts = re.compile(r"secrets\.|ghcr|quay|" + "|".join([r"docker\.io", "pypi" + r"\.org", "npm" + "js"]))
    for path in (ROOT / ".github").rglob("*.*"):
        assert not hosts.search(path.read_text("utf-8")), path.name


# --- what they do


def test_tests_run_on_three_systems_and_every_version_that_the_package_names() -> None:
    matrix = WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "windows", "macos"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_release_is_tested_before_it_is_published_and_started_before_it_is_announced() -> None:
    assert {"versions", "test", "build"} <= needed_by("index")
    assert {"versions", "test", "build"} <= needed_by("image")
    assert {"index", "start"} <= needed_by("registry") & needed_by("page")
    assert len(RELEASE["start"]["strategy"]["matrix"]["os"]) == 3


def test_image_has_provenance_and_a_bill_of_materials() -> None:
    [build] = [step for step in RELEASE["image"]["steps"] if "build-push-action" in step.get("uses", "")]
    assert build["with"]["provenance"] == "mode=max"
    assert build["with"]["sbom"] is True


def test_jobs_that_publish_to_an_index_have_an_environment_each() -> None:
    assert {job["environment"] for name, job in RELEASE.items() if name in {"index", "registry"}} == {
        "package-index",
        "mcp-registry",
    }


def test_every_step_is_performed_here_or_says_why_it_needs_the_host() -> None:
    """And each exception still exists."""
    steps = {(step.workflow, step.job, step.name) for step in SCRIPTS}
    assert set(read.NEEDS_THE_HOST) <= steps
    performed = [step for step in SCRIPTS if (step.workflow, step.job, step.name) not in read.NEEDS_THE_HOST]
    assert not [step.name for step in performed if "${{" in str(step)]
    assert {step.job for step in performed} >= {"versions", "build", "start"}


def test_files_that_scripts_start_exist() -> None:
    for step in SCRIPTS:
        for path in re.findall(r"(?:tools|tests|\.ci)/[\w./-]+", step.script):
            assert (ROOT / path).is_file(), step.name


# --- what people fill in


def test_reports_ask_for_the_checkup_and_warn_of_keys() -> None:
    for name in ("bug", "kling"):
        text = (ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text("utf-8")
        assert "kling-mcp check --json" in text
        assert "**Never paste a key, a secret or a token**" in text
