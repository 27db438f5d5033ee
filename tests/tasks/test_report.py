"""`kling-mcp tasks`: what the journal knows, for a person at a shell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp import cli
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.tasks.entry import JournalEntry
from kling_mcp.tasks.intent import Intent
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.report import format_entries, in_order

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = JournalEntry(
    account="aa11",
    external_task_id="kmcp-1",
    kind="element",
    key="i",
    attempt=1,
    content_hash="d",
    label="Mia",
    state="accepted",
    task_id="880000000000000101",
    created_at=1_790_000_000.0,
)


def test_an_empty_journal_says_so() -> None:
    assert format_entries([], place="/somewhere") == ["The journal in /somewhere has no tasks yet."]


def test_unfinished_creations_come_first_and_the_newest_of_each_group_leads() -> None:
    ready_new = replace(ENTRY, external_task_id="new", state="ready", created_at=ENTRY.created_at + 50)
    ready_old = replace(ENTRY, external_task_id="old", state="ready")
    lost = replace(ENTRY, external_task_id="lost", state="unclear", created_at=ENTRY.created_at - 100)
    running = replace(ENTRY, external_task_id="running")
    ordered = in_order([ready_old, ready_new, lost, running])
    assert [entry.external_task_id for entry in ordered] == ["running", "lost", "new", "old"]


def test_report_shows_each_creation_with_every_id() -> None:
    text = "\n".join(format_entries([replace(ENTRY, state="ready", result_ids=("310094133206523",))], place="x"))
    for fact in ("Mia", "ready", "kmcp-1", "880000000000000101", "310094133206523", "2026-"):
        assert fact in text


def test_report_names_accounts_only_where_there_are_several() -> None:
    assert "account" not in "\n".join(format_entries([ENTRY], place="x"))
    both = format_entries([ENTRY, replace(ENTRY, account="bb22", external_task_id="kmcp-2")], place="x")
    assert "account aa11" in "\n".join(both)


def test_a_hostile_name_stays_on_its_line() -> None:
    lines = format_entries([replace(ENTRY, label="Mia\n\x1b[2Jready")], place="x")
    assert all("\x1b" not in line and "\n" not in line for line in lines)


def test_the_command_reads_the_journal_of_the_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def write() -> None:
        clock = VirtualClock()
        store = SqliteStore(tmp_path, clock)
        wish = Intent("element", "i", "d", "Mia")
        entry, _ = await Journal(store, "account-1", clock, "host:1").claim(wish, "1")
        assert entry.state == "claimed"
        store.close()

    anyio.run(write, backend_options={"loop_factory": VirtualLoop})
    assert cli.main(["tasks", "--limit", "5"], {"KLING_MCP_STATE_DIR": str(tmp_path)}) == 0
    told = capsys.readouterr().out
    assert "1 task, 1 unfinished" in told
    assert "Mia: waiting to be sent" in told
