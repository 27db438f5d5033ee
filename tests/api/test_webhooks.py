"""Callbacks as they arrive: the vendor's own example, what the standard allows, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from kling_mcp.api.webhooks import TOLERANCE_SECONDS, check_signature, read_task_id, signing_keys
from kling_mcp.errors import CallbackError

# The vendor's test vector. fact: signature-vector
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of the same kind!").decode()
SENT_AT = 1781080794
BODY = b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
SIGNATURE = "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="
SIGNED = {"webhook-id": "9876543210", "webhook-timestamp": str(SENT_AT), "webhook-signature": SIGNATURE}
KEYS = signing_keys([SECRET])


# --- the signature


def test_vendors_test_vector_is_accepted() -> None:
    """fact: signature-sum"""
    check_signature(SIGNED, BODY, KEYS, SENT_AT)


@pytest.mark.parametrize(
    ("headers", "keys", "late"),
    [
        ({name.upper(): value for name, value in SIGNED.items()}, KEYS, 0),
        ({name.title(): value for name, value in SIGNED.items()}, KEYS, 0),
        ({**SIGNED, "webhook-signature": f"v1,{'A' * 43}= v2,x {SIGNATURE}"}, KEYS, 0),
        (SIGNED, signing_keys([OTHER_SECRET, SECRET]), 0),
        (SIGNED, signing_keys([SECRET.rstrip("=")]), 0),
        (SIGNED, KEYS, TOLERANCE_SECONDS),
        (SIGNED, KEYS, -TOLERANCE_SECONDS),
    ],
    ids=["upper case", "title case", "several signatures", "rotation", "no padding", "just in time", "just early"],
)
def test_signature_forms_of_the_standard_are_accepted(
    headers: dict[str, str], keys: tuple[bytes, ...], late: float
) -> None:
    """facts: signature-headers, signature-rotation"""
    check_signature(headers, BODY, keys, SENT_AT + late)


@pytest.mark.parametrize(
    ("changes", "body", "late", "why"),
    [
        ({}, BODY + b" ", 0, "matches none"),
        ({"webhook-id": "9876543211"}, BODY, 0, "matches none"),
        ({"webhook-timestamp": str(SENT_AT + 1)}, BODY, 0, "matches none"),
        ({"webhook-timestamp": f"0{SENT_AT}"}, BODY, 0, "matches none"),
        ({"webhook-signature": "v1," + "A" * 43 + "="}, BODY, 0, "matches none"),
        ({"webhook-signature": SIGNATURE.replace("v1", "v2")}, BODY, 0, "matches none"),
        ({"webhook-signature": SIGNATURE.removeprefix("v1,")}, BODY, 0, "matches none"),
        ({"webhook-signature": "v1,not*base64"}, BODY, 0, "matches none"),
        ({"webhook-signature": "v1,ü"}, BODY, 0, "matches none"),
        ({"webhook-signature": ""}, BODY, 0, "matches none"),
        ({"webhook-signature": "v1, " * 16 + SIGNATURE}, BODY, 0, "matches none"),
        ({"webhook-id": ""}, BODY, 0, "not signed"),
        ({"webhook-timestamp": ""}, BODY, 0, "not signed"),
        ({"webhook-timestamp": f"{SENT_AT}.5"}, BODY, 0, "not signed"),
        ({"webhook-timestamp": f"-{SENT_AT}"}, BODY, 0, "not signed"),
        ({"webhook-timestamp": "9" * 400}, BODY, 0, "not signed"),
        ({}, BODY, TOLERANCE_SECONDS + 1, "too long ago"),
        ({}, BODY, -TOLERANCE_SECONDS - 1, "in the future"),
    ],
)
def test_webhook_without_a_recent_valid_signature_is_refused(
    changes: dict[str, str], body: bytes, late: float, why: str
) -> None:
    with pytest.raises(CallbackError, match=why) as caught:
        check_signature({**SIGNED, **changes}, body, KEYS, SENT_AT + late)
    assert caught.value.http_status == 401


def test_signature_of_another_secret_is_refused() -> None:
    with pytest.raises(CallbackError, match="matches none"):
        check_signature(SIGNED, BODY, signing_keys([OTHER_SECRET]), SENT_AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "dGVzdA==", "whsec_not base64", "WHSEC_dGVzdA=="])
def test_malformed_signing_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|base64"):
        signing_keys([secret])


# --- the body


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        (BODY, "1234567890"),
        (b'{"task_id":"880000000000000101","id":"other","task_status":"succeed"}', "880000000000000101"),
        (b'{"task_id":880000000000000101}', "880000000000000101"),
        (b'{"code":0,"data":{"task_id":"880000000000000101"}}', "880000000000000101"),
        (b'{"task_id":true,"id":""}', ""),
        (b'{"task_id":"two words"}', ""),
        (json.dumps({"task_id": "x" * 129}).encode(), ""),
        (b'{"data":[1]}', ""),
        (b"{}", ""),
    ],
)
def test_task_is_read_from_every_form_that_is_known(body: bytes, task_id: str) -> None:
    """facts: callback-legacy-body, callback-new-body"""
    assert read_task_id(body) == task_id


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'"text"', b"\xff\xfe", b"[" * 60_000, b"null"])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(CallbackError) as caught:
        read_task_id(body)
    assert caught.value.http_status == 400
