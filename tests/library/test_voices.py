"""The voices that an element can be given: found, kept for a while, and told apart from those of others."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import ACCESS_KEY, API_KEY, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.models import VoiceTask
from kling_mcp.errors import AuthError, KlingError
from kling_mcp.library.records import Source
from kling_mcp.library.voices import voices_of
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

BOTH: tuple[Source, ...] = ("custom", "preset")


async def names(account: Account, text: str = "", sources: Any = BOTH) -> list[str]:
    return [voice.voice_name for voice in (await account.voices.search(text, sources)).voices]


def add(world: World, name: str) -> str:
    return world.add_voice(world.account_of(API_KEY), name).voice_id


async def test_own_voices_come_before_official_ones(account: Account, world: World) -> None:
    add(world, "Grandma")
    world.add_voice(world.account_of(ACCESS_KEY), "Somebody else's")
    assert await names(account) == ["Grandma", "Clear Soprano", "Warm Bass", "Bright Tenor", "Calm Alto"]
    assert await names(account, sources=("custom",)) == ["Grandma"]
    assert "Grandma" not in await names(account, sources=("preset",))


async def test_the_best_match_comes_first(account: Account, world: World) -> None:
    for name in ("Old Bass", "Bassist", "bass", "Bass"):
        add(world, name)
    assert await names(account, "Bass") == ["Bass", "bass", "Bassist", "Old Bass", "Warm Bass"]


async def test_an_id_finds_its_voice(account: Account, world: World) -> None:
    assert await names(account, f" {add(world, 'Grandma')} ") == ["Grandma"]


async def test_a_typing_error_is_forgiven_where_nothing_matches(account: Account) -> None:
    hits = await account.voices.search("calm atlo", BOTH)
    assert ([voice.voice_name for voice in hits.voices], hits.match) == (["Calm Alto"], "similar")


@pytest.mark.parametrize(
    ("text", "match", "found"),
    [
        ("warm female narrator", "some", ["Warm Bass"]),
        ("a clear and warm bass", "some", ["Warm Bass", "Clear Soprano"]),
        ("calm brihgt voice", "some", ["Bright Tenor", "Calm Alto"]),
        ("alto calm", "all", ["Calm Alto"]),
        ("deep male", "none", ["Clear Soprano", "Warm Bass", "Bright Tenor", "Calm Alto"]),
        ("830000000000000001", "none", []),
    ],
)
async def test_any_word_finds_a_voice(account: Account, text: str, match: str, found: list[str]) -> None:
    hits = await account.voices.search(text, BOTH)
    assert ([voice.voice_name for voice in hits.voices], hits.match) == (found, match)


async def test_the_lists_are_kept_for_a_while(account: Account, world: World, clock: VirtualClock) -> None:
    await names(account)
    add(world, "Late")
    assert "Late" not in await names(account)
    await clock.sleep(61)
    assert "Late" in await names(account)
    assert len(requests_to(world, "voice-list")) == 2
    assert len(requests_to(world, "voice-presets")) == 1


async def test_every_page_is_read(account: Account, world: World) -> None:
    """fact: voice-page"""
    for number in range(1000):
        add(world, f"Voice {number}")
    add(world, "The newest")
    assert len(await names(account, sources=("custom",))) == 1001


async def test_deleted_voices_are_left_out(account: Account, world: World) -> None:
    gone = world.add_voice(world.account_of(API_KEY), "Gone")
    gone.deleted_at = world.clock()
    assert await names(account, sources=("custom",)) == []


async def test_failing_list_of_official_voices_does_not_hide_own_voices(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Grandma")
    faults.refuse_connection(route="voice-presets", times=None)
    hits = await account.voices.search("", BOTH)
    assert [voice.voice_name for voice in hits.voices] == ["Grandma"]
    assert set(hits.failures) == {"preset"}
    faults.clear()
    await clock.sleep(11)
    assert len(await names(account)) == 5


async def test_old_voices_are_better_than_none(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Grandma")
    await names(account, sources=("custom",))
    faults.refuse_connection(times=None)
    await clock.sleep(61)
    hits = await account.voices.search("", ("custom",))
    assert ([voice.voice_name for voice in hits.voices], set(hits.failures)) == (["Grandma"], {"custom"})


async def test_failure_of_the_first_reading_of_voices_is_the_answer(account: Account, faults: Faults) -> None:
    faults.refuse_connection(times=None)
    with pytest.raises(KlingError) as caught:
        await names(account)
    assert caught.value.kind == "network"


async def test_refused_credentials_are_an_error(account: Account, faults: Faults) -> None:
    faults.reply_code(1002, times=None)
    with pytest.raises(AuthError):
        await names(account)


@pytest.mark.parametrize(
    ("record", "status", "trial"),
    [
        # What is documented of it (fact: voice-record), and what else may come.
        (
            {
                "task_id": "1",
                "task_status": "succeed",
                "task_result": {
                    "voices": [{"voice_id": "830000000000000001", "trial_url": "https://example.com/a.mp3"}]
                },
            },
            "ready",
            "https://example.com/a.mp3",
        ),
        ({"task_status": "processing", "task_result": {"voices": [{"voice_id": "8"}]}}, "pending", ""),
        ({"task_status": "failed", "task_result": {"voices": [{"voice_id": 8}]}}, "failed", ""),
        (
            {"task_status": "succeed", "task_result": {"voices": [{"voice_id": "8", "status": "deleted"}]}},
            "deleted",
            "",
        ),
        ({"voice_id": "8", "voice_name": "bare", "trial_url": "http://example.com/a.mp3"}, "ready", ""),
        ({"voice_id": "8", "trial_url": "javascript:alert(1)"}, "ready", ""),
        ({"voice_id": "8", "trial_url": "https://example.com/\u202e"}, "ready", ""),
        ({"voice_id": "8", "trial_url": "https://example.com/" + "a" * 5000}, "ready", ""),
    ],
)
def test_every_form_of_a_record_is_read(record: dict[str, Any], status: str, trial: str) -> None:
    (voice,) = voices_of(VoiceTask.model_validate(record), "custom")
    assert (voice.status, voice.trial_url) == (status, trial)


def test_an_official_voice_is_ready_whatever_its_task_says() -> None:
    """fact: presets-thin"""
    task = VoiceTask.model_validate({"task_status": "", "task_result": {"voices": [{"voice_id": "8"}]}})
    assert [voice.status for voice in voices_of(task, "preset")] == ["ready"]


@pytest.mark.parametrize(
    "record", [{}, {"task_id": "1", "task_result": {}}, {"task_result": {"voices": [{"voice_name": "x"}]}}]
)
def test_a_record_without_a_voice_id_has_no_voice(record: dict[str, Any]) -> None:
    assert voices_of(VoiceTask.model_validate(record), "custom") == []
