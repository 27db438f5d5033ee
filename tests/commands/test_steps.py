"""Steps in the words of MCP become commands; text that is data stays as it is."""

from __future__ import annotations

import pytest

from kling_mcp.commands.steps import as_commands, result_as_commands
from kling_mcp.server.views.tasks import next_wait


def make(tool: str, words: object) -> str:
    return f"<{tool} {words}>"


@pytest.mark.parametrize(
    ("told", "command"),
    [
        (next_wait(["1", "2"], " to save them."), "Run: <wait_for_tasks ['ids=1', 'ids=2']> to save them."),
        (next_wait(["1"]), "Run: <wait_for_tasks ['ids=1']>."),
        (
            'if they agree, call apply_production with plan_id="p-1".',
            "if they agree, run: <apply_production ['plan_id=p-1']>.",
        ),
        (
            'To remove it: delete_element with element_id="7" element_name="Mia B".',
            "To remove it: <delete_element ['element_id=7', 'element_name=Mia B']>.",
        ),
        ("Repeat the same call later.", "Repeat the same command later."),
        ('call some_tool with ids=["1"].', 'call some_tool with ids=["1"].'),
        ("call wait_for_tasks, then repeat this call", "call wait_for_tasks, then repeat this command"),
    ],
)
def test_step_with_arguments_becomes_a_command(told: str, command: str) -> None:
    assert as_commands(told, make) == command


def test_prompt_of_a_result_stays_as_it_was_written() -> None:
    step = 'Call wait_for_tasks with ids=["1"].'
    result = {"generations": [{"prompt": step}], "notes": [step], "next_step": step, "total": 1}
    told = "Run: <wait_for_tasks ['ids=1']>."
    assert result_as_commands(result, make) == {
        "generations": [{"prompt": step}],
        "notes": [told],
        "next_step": told,
        "total": 1,
    }
