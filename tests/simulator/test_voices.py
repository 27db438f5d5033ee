"""Voices, and what becomes of them on elements. fact: voice-routes"""

from typing import Any

import httpx
import pytest

from kling_mcp.simulator import Quirks
from simulator.box import ELEMENTS, VOICES, Box, data, element, refusal, video_creation
from simulator.generation_box import OMNI, finished, new_body

pytestmark = pytest.mark.anyio
PRESET_VOICES = "/v1/general/presets-voices"
DELETE_VOICES = "/v1/general/delete-voices"
LINK = "https://example.com/voice.mp3"


async def create_voice(box: Box, **fields: Any) -> Any:
    return await box.http.post(VOICES, json={"voice_name": "Low voice", "voice_url": LINK, **fields})


async def test_time_voice_then_a_voice_record_that_can_be_bound(box: Box) -> None:
    task = data(await create_voice(box, external_task_id="v-1"))["task_id"]
    box.clock.now += 8.9
    assert data(await box.query(task, VOICES))["task_status"] == "processing"
    box.clock.now += 6.2
    record = data(await box.query("v-1", VOICES))
    (voice,) = record["task_result"]["voices"]
    assert len(voice["voice_id"]) == 18  # fact: voice-record
    assert voice["voice_name"] == "Low voice"
    assert voice["trial_url"].endswith(".mp3")

    made = await box.created(element_voice_id=voice["voice_id"])
    box.clock.now += 5
    assert element(data(await box.query(made)))["element_voice_info"] == voice


async def test_lists_of_voices_and_elements_are_separate(box: Box) -> None:
    voice = data(await create_voice(box))["task_id"]
    task = await box.created()
    assert [row["task_id"] for row in await box.page(VOICES)] == [voice]
    assert [row["task_id"] for row in await box.page()] == [task]
    assert refusal(await box.query(voice, ELEMENTS))[1] == 1201
    assert refusal(await box.query(task, VOICES))[1] == 1201


async def test_preset_voices_belong_to_kling_and_can_be_bound(box: Box) -> None:
    rows = await box.page(PRESET_VOICES)
    voices = [row["task_result"]["voices"][0] for row in rows]
    assert {voice["owned_by"] for voice in voices} == {"kling"}
    assert await box.created(element_voice_id=voices[0]["voice_id"])
    reply = await box.http.post(DELETE_VOICES, json={"voice_id": voices[0]["voice_id"]})
    assert refusal(reply) == (400, 1201, "Only custom voices can be deleted")


async def test_voice_catalogues_a_foreign_unfinished_or_deleted_voice_is_not_found(box: Box) -> None:
    await create_voice(box)
    account = box.world.account_of("an-api-key")
    (unfinished,) = account.voices
    assert refusal(await box.create(element_voice_id=unfinished))[2] == f"Voice id not found: {unfinished}"

    box.clock.now += 20
    assert await box.created(element_voice_id=unfinished)
    foreign = box.world.add_voice("somebody-else", "Other voice").voice_id
    assert refusal(await box.create(element_voice_id=foreign))[2] == f"Voice id not found: {foreign}"

    assert (await box.http.post(DELETE_VOICES, json={"voice_id": unfinished})).json()["code"] == 0
    assert refusal(await box.create(element_voice_id=unfinished))[2] == f"Voice id not found: {unfinished}"
    again = await box.http.post(DELETE_VOICES, json={"voice_id": unfinished})
    assert refusal(again)[2] == f"Voice already be deleted for id: {unfinished}"
    (row,) = await box.page(VOICES)
    assert row["task_result"]["voices"][0]["status"] == "deleted"


async def test_video_voice_unreliable_a_bound_voice_may_never_show() -> None:
    async with Box(quirks=Quirks(bind_voices=False)) as box:
        voice = box.world.add_voice(box.world.account_of("an-api-key"), "Low voice")
        task = await box.created(element_voice_id=voice.voice_id)
        box.clock.now += 5
        assert element(data(await box.query(task)))["element_voice_info"] == {}


@pytest.mark.parametrize("voice_from_video", [True, False])
async def test_video_voice_is_made_and_bound_or_never_appears(voice_from_video: bool) -> None:
    async with Box(quirks=Quirks(voice_from_video=voice_from_video)) as box:
        task = data(await box.http.post(ELEMENTS, json=video_creation()))["task_id"]
        box.clock.now += 20
        bound = element(data(await box.query(task)))["element_voice_info"]
        listed = [row["task_result"]["voices"][0] for row in await box.page(VOICES)]
        assert ([bound] if bound else []) == listed
        assert bool(bound) is voice_from_video


async def test_a_failed_voice_has_a_reason(box: Box) -> None:
    box.faults.fail_task("the recording holds two speakers", route="voice-create")
    box.faults.slow_task(100, route="voice-create")
    task = data(await create_voice(box))["task_id"]
    box.clock.now += 99
    assert data(await box.query(task, VOICES))["task_status"] == "processing"
    box.clock.now += 1
    assert data(await box.query(task, VOICES))["task_status_msg"] == "the recording holds two speakers"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"voice_name": ""}, "voice_name is required"),
        ({"voice_name": "n" * 21}, "voice_name must be at most 20 characters"),
        ({"voice_url": ""}, "one of voice_url and video_id is required"),
        ({"video_id": "1"}, "one of voice_url and video_id is required"),
        ({"voice_url": "voice.mp3"}, "voice_url is not a valid url"),
        ({"voice_url": "https://example.com/voice.ogg"}, "voice_url: format .ogg is not supported"),
        ({"voice_url": "https://example.invalid/voice.mp3"}, "voice_url can not be downloaded"),
        ({"language": "en"}, "unknown field: language"),
    ],
)
async def test_voice_create_rules(box: Box, fields: dict[str, str], said: str) -> None:
    assert refusal(await create_voice(box, **fields)) == (400, 1201, said)


async def test_voice_comes_from_a_finished_video_with_sound(box: Box) -> None:
    """Fact: voice-from."""

    async def made_from(video_id: str) -> Any:
        return await create_voice(box, voice_url="", video_id=video_id)

    sounding = await finished(box, OMNI, new_body(aspect_ratio="16:9", audio="native"))
    assert data(await made_from(sounding["outputs"][0]["id"]))["task_id"]
    silent = await finished(box, OMNI)
    assert refusal(await made_from(silent["outputs"][0]["id"])) == (400, 1201, "The video has no sound")
    unknown = "880000000000000101"
    assert refusal(await made_from(unknown)) == (400, 1201, f"Video id not found: {unknown}")


async def test_deletion_of_a_voice_answers_with_its_whole_record(box: Box) -> None:
    """Fact: voice-lookup."""
    voice = box.world.add_voice(box.world.account_of("an-api-key"), "Low voice")
    record = data(await box.http.post(DELETE_VOICES, json={"voice_id": voice.voice_id}))
    assert record == data(await box.query(voice.task_id, VOICES))
    assert record["task_result"]["voices"][0]["status"] == "deleted"


async def test_lost_reply_after_a_creation_leaves_the_voice(box: Box) -> None:
    box.faults.lose_reply_after_create()
    with pytest.raises(httpx.RemoteProtocolError):
        await create_voice(box, external_task_id="v-1")
    assert data(await box.query("v-1", VOICES))["task_status"] == "submitted"


async def test_external_ids_are_one_namespace_for_elements_and_voices(box: Box) -> None:
    await box.created(external_task_id="x")
    reply = await create_voice(box, external_task_id="x")
    assert refusal(reply) == (400, 1201, "External_task_id x already exists")
