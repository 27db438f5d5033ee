"""No secret gets through, however it is written, and a text costs as much as it is long."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_mcp import redact
from kling_mcp.redact import HIDDEN, BytesRedactor, redact_start, redact_text

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhY2Nlc3MifQ.c2lnbmF0dXJl-_"
SECRET = 's3cr3t/"key"+&=<x>'
WRITTEN = [
    SECRET,
    's3cr3t/\\"key\\"+&=<x>',
    's3cr3t\\/\\"key\\"+&=<x>',
    "s3cr3t/&quot;key&quot;+&amp;=&lt;x&gt;",
    "s3cr3t%2F%22key%22%2B%26%3D%3Cx%3E",
]
PATTERNS = [value for value in vars(redact).values() if isinstance(value, re.Pattern)]
# What a signed token looks like, said in the plainest way, which is quadratic.
PLAIN_TOKEN = re.compile(r"\bey[\w-]{8,}\.[\w-]{2,}\.[\w-]*")


@pytest.mark.parametrize("form", WRITTEN)
def test_secret_is_hidden_in_text_and_bytes_however_it_is_written(form: str) -> None:
    assert redact_text(f"<{form}>", [SECRET]) == f"<{HIDDEN}>"
    assert BytesRedactor([SECRET]).redact(f"<{form}>".encode()) == f"<{HIDDEN}>".encode()


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("key is CANARY+/x", f"key is {HIDDEN}"),
        ("address has CANARY%2B%2Fx", f"address has {HIDDEN}"),
        ("longer one: CANARY+/x-and-more.", f"longer one: {HIDDEN}."),
        (r'{"key": "quo\"te"}', f'{{"key": "{HIDDEN}"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("(b'authorization', b'bearer abc')", f"(b'authorization', b'bearer {HIDDEN}')"),
        (f"token {JWT}, renewed", f"token {HIDDEN}, renewed"),
        (f"token-of-eyes-{JWT}", f"token-of-{HIDDEN}"),
        (f"token--{JWT}", f"token--{HIDDEN}"),
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", f"secret {HIDDEN}"),
        ("x-kling-api-key: abc", f"x-kling-api-key: {HIDDEN}"),
        ("(b'X-Kling-Secret-Key', b'abc')", f"(b'X-Kling-Secret-Key', b'{HIDDEN}')"),
        ("'x-kling-access-key': 'abc', 'other': 'kept'", f"'x-kling-access-key': '{HIDDEN}', 'other': 'kept'"),
        ("version 1.2.3 of eyes.only is fine", "version 1.2.3 of eyes.only is fine"),
    ],
)
def test_secret_or_likely_secret_is_hidden_in_a_line(line: str, safe: str) -> None:
    assert redact_text(line, ["CANARY+/x", "CANARY+/x-and-more", 'quo"te', ""]) == safe


def test_longer_of_two_overlapping_secrets_is_hidden_first() -> None:
    shown = BytesRedactor(["abcdefgh", "abcdefghij"]).redact(b"abcdefgh abcdefghij")
    assert shown == f"{HIDDEN} {HIDDEN}".encode()


def test_short_words_are_no_secrets_in_a_reply() -> None:
    assert BytesRedactor(["sandbox", ""]).redact(b"sandbox") == b"sandbox"


@given(st.binary(max_size=100))
def test_bytes_without_secrets_do_not_change(data: bytes) -> None:
    assert BytesRedactor(()).redact(data) == data


@given(st.text("ey-.w ä_", max_size=60))
@example("a-ey-eyabcdef.bb.")
def test_same_tokens_are_hidden_as_by_the_plain_pattern(text: str) -> None:
    assert redact_text(text) == PLAIN_TOKEN.sub(HIDDEN, text)


class TestLength:
    """Steps of a pattern cannot be counted, so what makes it linear is held instead."""

    @pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: str(pattern.pattern))
    def test_repetitions_of_the_pattern_never_backtrack(self, pattern: re.Pattern[str]) -> None:
        without_classes = re.sub(r"\[[^\]]*\]", "x", pattern.pattern)
        endless = re.findall(r"(?:[*+]|\{\d*,\})[+?]?", without_classes)
        assert endless
        assert all(repetition.endswith("+") and len(repetition) > 1 for repetition in endless)

    def test_token_is_sought_once_in_a_run_of_words_and_dashes(self) -> None:
        """Its one pattern with a long middle: from each dash of this text it would read all that follows."""
        assert redact._TOKEN.pattern.startswith(r"(?<![\w-])")
        run = "ey-" * 20_000
        assert redact_text(run) == run

    @given(st.integers(0, 60), st.integers(1, 40))
    def test_secret_at_the_cut_is_removed_completely(self, before: int, limit: int) -> None:
        text = "." * before + "CANARY" * 5 + "." * 60
        assert "CANA" not in redact_start(text, ["CANARY" * 5], limit)
