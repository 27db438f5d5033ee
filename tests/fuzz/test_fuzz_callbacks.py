"""Whatever is posted where Kling calls back, it is taken or refused with a few words, and the server goes on."""

from __future__ import annotations

import base64
import hmac
import json
import tempfile
from pathlib import Path
from typing import Any

from helpers import API_KEY, VIDEO_CREATION
from hosting.http_server import served as hosted
from hypothesis import given
from hypothesis import strategies as st
from profiles import fuzzing
from virtual_time import VirtualClock

from fuzz.guards import run
from fuzz.posts import Headers, Post, headers_of_anybody
from fuzz.properties import check_words
from fuzz.served import MEMORY
from fuzz.values import anything, ids
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.webhooks import MAX_BODY_BYTES, signing_keys
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import World

PUBLIC = "https://kling.example.com"
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
DRAFT = ElementDraft(
    element_name=VIDEO_CREATION["element_name"],
    element_description=VIDEO_CREATION["element_description"],
    reference_type="video_refer",
    video_url="https://example.com/host.mp4",
)

records = st.dictionaries(
    st.sampled_from(["task_id", "id", "data", "task_status", "task_result", "code", ""]),
    st.one_of(ids, anything, st.dictionaries(st.just("task_id"), anything)),
    max_size=5,
)
bodies = st.one_of(
    records.map(lambda record: json.dumps(record).encode()),
    anything.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"{",
            b"[" * 60_000,
            b'{"task_id":' + b"9" * 5000 + b"}",
            b'{"id":"\\ud800","data":{"task_id":"\\ud800"}}',
            b" " * MAX_BODY_BYTES + b"{}",
            b"{" + b" " * MAX_BODY_BYTES,
            b"\xff\xfe{}",
        ]
    ),
)
parts = st.one_of(
    st.none(),  # the right one
    st.text(st.characters(max_codepoint=255, exclude_characters="/?#"), max_size=300),
    st.sampled_from(["x", ".", "..", "A.", ".A", "A.A", "=.=", "%00", "%FF.%FF", "x" * 4000, "é.é"]),
)


def signed(body: bytes, clock: VirtualClock, sent_id: bytes = b"msg-1") -> Headers:
    """Headers as Kling makes them."""
    sent_at = str(int(clock.wall())).encode()
    code = hmac.digest(signing_keys([SECRET])[0], sent_id + b"." + sent_at + b"." + body, "sha256")
    names = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")
    return list(zip(names, (sent_id, sent_at, b"v1," + base64.b64encode(code)), strict=True))


@fuzzing(10)
@given(
    sent=st.lists(st.tuples(parts, bodies, headers_of_anybody, st.booleans()), min_size=1, max_size=4),
    secret=st.booleans(),
    pieces=st.sampled_from([1, 1, 7, 200]),
)
def test_any_callback_is_taken_or_refused_in_a_few_words(
    sent: list[tuple[str | None, bytes, Headers, bool]], secret: bool, pieces: int
) -> None:
    async def story() -> None:
        clock = VirtualClock()
        world = World(clock.wall, api_keys=[API_KEY])
        hosting = HostingSettings(public_url=PUBLIC, webhook_secrets=(SECRET,) if secret else ())
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            async with hosted(world, clock, Path(folder), hosting=hosting) as house:
                account = house.runtime.account(ApiKey(API_KEY))
                await account.creator.create(DRAFT, allow_duplicate_name=True, timeout=10)
                [task] = world.account_of(API_KEY).elements.values()
                known = task.callback_url.removeprefix(PUBLIC)
                for part, body, headers, is_signed in sent:
                    path = known if part is None else f"/callbacks/kling/{part}"
                    said = [header for header in headers if header[0] != b"host"]
                    post = Post(body, [*(signed(body, clock) if is_signed else []), *said], path, pieces=pieces)
                    status, answer = await post.to(house.app)
                    assert status in {200, 400, 401, 404, 408, 413}, (status, answer)
                    assert status != 200 or part is None
                    assert status != 200 or is_signed or not secret
                    assert len(answer) < 500
                    check_words(answer.decode())
                assert await ends_as_ever(account, task.task_id)

    run(story)


async def ends_as_ever(account: Any, task_id: str) -> bool:
    """Whether a wait for the creation still ends with its element."""
    seen = (await account.element_tasks.poller.wait([task_id], 600))[task_id]
    return bool(seen.task and seen.task.element_ids)
