"""Errors as they are kept: every field survives, no text does, and damage is no defect."""

from __future__ import annotations

import pytest

from kling_mcp.errors import KlingError
from kling_mcp.tasks.stored_error import StoredError


def test_fields_of_an_error_survive_and_its_text_does_not() -> None:
    error = KlingError("Kling refused https://secret.example.com", kind="bad_input", code=1201, request_id="Cl6x")
    text = StoredError.of(error).to_json()
    assert "secret" not in text
    kept = StoredError.from_json(text)
    assert kept is not None
    again = kept.to_error("It ended.", advice="Repeat it.")
    assert again.last_line() == error.last_line()
    assert (again.message, again.advice) == ("It ended.", "Repeat it.")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"kind": "internal"}', '{"mood": "good"}'])
def test_text_that_holds_no_error_reads_as_none(text: str) -> None:
    assert StoredError.from_json(text) is None
