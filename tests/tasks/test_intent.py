"""The identity of a request: kind, account and content make it, and a caller's own id replaces it."""

from __future__ import annotations

from kling_mcp.tasks import intent
from kling_mcp.tasks.intent import external_id_of, make_intent, make_key

CONTENT = ["Mia", "https://example.com/mia.mp3"]


def test_same_content_has_the_same_key_and_id() -> None:
    first, again = (make_intent("voice", "account", CONTENT, label="Mia") for _ in range(2))
    assert first == again
    assert external_id_of(first, 1) == external_id_of(again, 1) == f"kmcp-{first.key[:28]}"


def test_kind_and_account_are_part_of_the_identity() -> None:
    keys = {make_key(kind, account, *CONTENT) for kind in ("element", "voice") for account in ("one", "two")}
    assert len(keys) == 4


def test_version_is_part_of_the_identity() -> None:
    """What is hashed is written down here: a change of it would make one request two."""
    assert intent.VERSION == 1
    assert make_key("element", "account", "Mia") == "chtnjpct6vla3tyejrbykikxmnig3tceivxua4jbidfdblnn47eq"


def test_label_and_memo_are_no_part_of_the_identity() -> None:
    plain = make_intent("voice", "account", CONTENT, label="Mia")
    other = make_intent("voice", "account", CONTENT, label="another", memo={"voice_id": "1"})
    assert plain.key == other.key


def test_caller_id_is_the_identity_in_every_kind() -> None:
    """One namespace of external ids for the whole account. fact: gen-external-id"""
    voice = make_intent("voice", "account", CONTENT, label="Mia", caller_id="mia-1")
    element = make_intent("element", "account", ["another"], label="Mia", caller_id="mia-1")
    assert voice.key == element.key
    assert voice.content_hash != element.content_hash
    assert external_id_of(voice, 1) == "mia-1"
    assert external_id_of(voice, 3) == "mia-1-3"


def test_id_that_we_made_is_not_taken_for_a_callers_own() -> None:
    plain = make_intent("voice", "account", CONTENT, label="Mia")
    handed_back = make_intent("voice", "account", CONTENT, label="Mia", caller_id=external_id_of(plain, 1))
    assert handed_back == plain


def test_id_of_a_later_attempt_keeps_to_the_limit_of_characters() -> None:
    long = make_intent("voice", "account", CONTENT, label="Mia", caller_id="x" * 64)
    assert external_id_of(long, 12) == "x" * 61 + "-12"
