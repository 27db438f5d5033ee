"""`create_voice` from a client to a voice that elements can have: price first, a person agrees, paid once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, Connect, last_line, requests_to, structured, text_of
from mcp_types import ElicitResult

from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import Pack, Quirks

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult
    from virtual_time import VirtualClock

    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

LINK = "https://example.com/narrator.mp3"
NARRATOR: dict[str, Any] = {"voice_name": "Narrator", "voice_url": LINK}
PRICE = "0.05 video units ($0.007 at list price of 2026-09-20): 1 voice"
ALLOW = {"spending": SpendingSettings(mode="allow")}


class Person:
    """Answers a question at once after a look. `asked` are the questions."""

    def __init__(self, answer: ElicitResult) -> None:
        self.asked: list[str] = []
        self._answer = answer

    async def __call__(self, _: Any, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        return self._answer


def agreeing() -> Person:
    return Person(ElicitResult(action="accept", content={"agree": True}))


async def voice(client: Client, **arguments: Any) -> CallToolResult:
    return await client.call_tool("create_voice", NARRATOR | arguments)


def made(world: World) -> int:
    return sum(world.accepted_creations().values())


def paid(world: World) -> Decimal:
    account = world.account_of(API_KEY)
    return account.ledger.spent(world.clock()).get("video", Decimal(0))


class TestPaying:
    async def test_person_who_agrees_gets_one_voice_that_an_element_can_have(
        self, connect: Connect, world: World, era: str, creation: dict[str, Any]
    ) -> None:
        person = agreeing()
        async with connect(era, person) as client:
            view = structured(await voice(client))
            element = await client.call_tool(
                "create_element_and_wait", creation | {"element_voice_id": view["voice_id"]}
            )
            listed = structured(await client.call_tool("find_voices", {"query": "Narrator"}))
        assert person.asked == [f'Make this voice for {PRICE}?\nName: "Narrator"\nFrom: "{LINK}"']
        assert (view["task_status"], view["outcome"], view["voice_name"]) == ("succeed", "submitted", "Narrator")
        assert (view["units_estimated"], view["units_deducted"]) == ("0.05", "0.05")
        assert view["trial_url"].startswith("https://")
        assert structured(element)["elements"][0]["voice_id"] == view["voice_id"]
        assert structured(element)["warnings"] == []
        assert [row["voice_id"] for row in listed["voices"]] == [view["voice_id"]]
        assert paid(world) == Decimal("0.05")

    async def test_client_that_cannot_ask_hears_the_price_and_repeats_with_max_units(
        self, connect: Connect, world: World, era: str
    ) -> None:
        async with connect(era) as client:
            first = await voice(client)
            assert last_line(first).items() >= {"kind": "needs_confirmation", "created": "no"}.items()
            assert PRICE in text_of(first)
            assert "max_units=1" in text_of(first)
            assert made(world) == 0
            assert structured(await voice(client, max_units=1))["voice_id"]
        assert made(world) == 1

    async def test_person_who_declines_pays_nothing(self, connect: Connect, world: World) -> None:
        declining = Person(ElicitResult(action="accept", content={"agree": False}))
        async with connect(elicitation=declining) as client:
            assert last_line(await voice(client, max_units=1))["kind"] == "needs_confirmation"
        assert made(world) == 0

    async def test_caps_of_the_day_count_voices(self, connect: Connect, world: World) -> None:
        spending = SpendingSettings(mode="allow", units_per_day=1)
        async with connect(spending=spending) as client:
            for number in range(20):
                structured(await voice(client, voice_name=f"Voice {number}"))
            refused = await voice(client, voice_name="One too many")
        assert last_line(refused).items() >= {"kind": "over_budget", "retry": "later"}.items()
        assert made(world) == 20

    async def test_account_without_a_video_pack_pays_for_no_voice(self, connect: Connect, world: World) -> None:
        """Facts: voice-cost, msg-no-pack."""
        world.packs = [Pack("image")]
        async with connect(**ALLOW) as client:
            assert last_line(await voice(client)).items() >= {"kind": "balance", "code": "1102"}.items()


class TestPaidOnce:
    async def test_repeated_call_finds_the_voice_without_a_question(
        self, connect: Connect, world: World, era: str
    ) -> None:
        person = agreeing()
        async with connect(era, person) as client:
            first, again = structured(await voice(client)), structured(await voice(client))
        assert (len(person.asked), made(world)) == (1, 1)
        assert (again["outcome"], again["voice_id"]) == ("already_submitted", first["voice_id"])

    @pytest.mark.parametrize("fault", ["lose_reply_after_commit", "lose_reply_before_commit"])
    async def test_lost_reply_is_looked_up_and_pays_once(
        self, connect: Connect, world: World, faults: Faults, era: str, fault: str
    ) -> None:
        """Fact: voice-lookup."""
        getattr(faults, fault)(route="voice-create")
        async with connect(era, **ALLOW) as client:
            view = structured(await voice(client, wait_seconds=120))
        assert (view["task_status"], made(world), paid(world)) == ("succeed", 1, Decimal("0.05"))

    async def test_voice_of_a_lost_journal_is_found_by_its_external_id_without_a_question(
        self, connect: Connect, world: World, tmp_path: Any
    ) -> None:
        async with connect(**ALLOW) as client:
            first = structured(await voice(client))
        person = agreeing()
        async with connect(elicitation=person, state_dir=tmp_path / "another") as client:
            again = structured(await voice(client))
        assert (again["outcome"], again["voice_id"]) == ("already_submitted", first["voice_id"])
        assert (person.asked, made(world)) == ([], 1)

    async def test_wait_that_runs_out_names_the_next_call(self, connect: Connect, world: World, era: str) -> None:
        async with connect(era, **ALLOW) as client:
            view = structured(await voice(client, wait_seconds=0))
            assert view["voice_id"] == ""
            step = f'Call wait_for_tasks with ids=["{view["task_id"]}"] to get the voice_id.'
            assert view["next_step"] == step
            waited = structured(await client.call_tool("wait_for_tasks", {"ids": [view["task_id"]]}))
            listed = structured(await client.call_tool("find_voices", {"source": "custom"}))
        (task,) = waited["tasks"]
        assert (task["kind"], task["units_estimated"]) == ("voice", "0.05")
        assert [row["voice_id"] for row in listed["voices"]] == [task["voice_id"]]
        assert made(world) == 1

    async def test_failed_voice_says_why_and_a_repeat_is_a_new_attempt(
        self, connect: Connect, world: World, faults: Faults
    ) -> None:
        faults.fail_task("the recording holds two speakers", route="voice-create")
        async with connect(**ALLOW) as client:
            failed = await voice(client)
            assert last_line(failed)["kind"] == "task_failed"
            assert "the recording holds two speakers" in text_of(failed)
            assert structured(await voice(client))["voice_id"]
        assert (made(world), paid(world)) == (2, Decimal("0.05"))

    async def test_deleted_voice_is_made_again(self, connect: Connect, world: World, clock: VirtualClock) -> None:
        async with connect(**ALLOW) as client:
            first = structured(await voice(client))
            world.delete_voice(world.account_of(API_KEY), first["voice_id"])
            await clock.sleep(61)  # until the list of voices is read again
            second = structured(await voice(client))
        assert second["voice_id"] != first["voice_id"]
        assert made(world) == 2


class TestNames:
    @pytest.mark.parametrize("name", ["Erza\u0308hler", " Erz\u00e4hler "])
    async def test_taken_name_is_refused_before_a_person_is_asked(
        self, connect: Connect, world: World, name: str
    ) -> None:
        other = world.add_voice(world.account_of(API_KEY), "Erz\u00e4hler")
        person = agreeing()
        async with connect(elicitation=person) as client:
            result = await voice(client, voice_name=name)
        assert last_line(result)["kind"] == "name_taken"
        assert f"voice_id={other.voice_id}, ready" in text_of(result)
        assert (person.asked, made(world)) == ([], 0)

    async def test_name_of_a_voice_on_its_way_is_taken(self, connect: Connect, world: World) -> None:
        async with connect(**ALLOW) as client:
            first = structured(await voice(client, wait_seconds=0))
            other = await voice(client, voice_url="https://example.com/another.mp3")
        assert last_line(other)["kind"] == "name_taken"
        assert first["external_task_id"] in text_of(other)
        assert made(world) == 1

    async def test_name_is_free_again_after_a_deletion(self, connect: Connect, world: World) -> None:
        async with connect(**ALLOW) as client:
            first = structured(await voice(client))
            gone = {"voice_id": first["voice_id"], "voice_name": "Narrator"}
            structured(await client.call_tool("delete_voice", gone))
            assert structured(await voice(client, voice_url="https://example.com/another.mp3"))["voice_id"]
        assert made(world) == 2

    async def test_list_that_cannot_be_read_is_a_warning(self, connect: Connect, world: World, faults: Faults) -> None:
        faults.malformed("html", route="voice-list", times=None)
        async with connect(**ALLOW) as client:
            view = structured(await voice(client))
        assert view["warnings"][0].startswith("It could not be checked whether another voice has this name")
        assert made(world) == 1


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "name too long": ({"voice_name": "n" * 21}, "voice_name: must have at most 20 characters"),
    "name empty": ({"voice_name": " "}, "voice_name: must not be empty"),
    "no source": ({"voice_url": ""}, "voice_url: must be given, or else video_id"),
    "two sources": ({"video_id": "7"}, "got both"),
    "local file": ({"voice_url": "/home/me/voice.mp3"}, "Kling has no upload route for recordings"),
    "picture": ({"voice_url": "https://example.com/a.png"}, "this one ends in .png"),
    "private host": ({"voice_url": "https://localhost/a.mp3"}, "must be a link that Kling can open"),
    "rounded id": ({"voice_url": "", "video_id": "8.7E+17"}, "must be an id with all its digits"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_bad_input_is_refused_before_anything_is_sent(connect: Connect, world: World, problem: str) -> None:
    arguments, said = PROBLEMS[problem]
    async with connect(**ALLOW) as client:
        result = await voice(client, **arguments)
    assert last_line(result)["kind"] == "bad_input"
    assert said in text_of(result)
    assert world.requests == []


async def test_all_problems_are_reported_together(connect: Connect) -> None:
    async with connect(**ALLOW) as client:
        result = await voice(client, voice_name="", voice_url="")
    assert text_of(result).startswith("2 problems with the input:")


class TestVoiceOfAClip:
    """Fact: voice-from."""

    async def clip(self, client: Client, **settings: Any) -> dict[str, Any]:
        arguments = {"prompt": "A woman speaks", "wait_seconds": 600, **settings}
        return structured(await client.call_tool("generate_video", arguments))

    async def test_task_id_of_a_clip_stands_for_the_clip(self, connect: Connect, world: World, era: str) -> None:
        world.durations = lambda _kind, _rng: 20.0
        async with connect(era, **ALLOW) as client:
            clip = await self.clip(client, audio="native")
            for name in (clip["task_id"], clip["external_task_id"]):
                view = structured(await voice(client, voice_url="", video_id=name))
                assert view["voice_id"]
        (request,) = requests_to(world, "voice-create")
        assert made(world) == 2
        assert request.committed

    async def test_silent_clip_is_refused_before_anything_is_paid(self, connect: Connect, world: World) -> None:
        world.durations = lambda _kind, _rng: 20.0
        async with connect(**ALLOW) as client:
            clip = await self.clip(client)
            result = await voice(client, voice_url="", video_id=clip["task_id"])
        assert "must be a clip with sound; this one was made without" in text_of(result)
        assert requests_to(world, "voice-create") == []

    async def test_unfinished_clip_and_another_task_are_refused(self, connect: Connect) -> None:
        async with connect(**ALLOW) as client:
            clip = await self.clip(client, audio="native", wait_seconds=0)
            early = await voice(client, voice_url="", video_id=clip["task_id"])
            picture = structured(await client.call_tool("generate_image", {"prompt": "A cat", "wait_seconds": 0}))
            other = await voice(client, voice_url="", video_id=picture["task_id"])
        assert "must be a clip that is finished" in text_of(early)
        assert "must be the id of a clip, which this is not" in text_of(other)

    async def test_id_that_is_unknown_here_goes_to_kling(self, connect: Connect, world: World) -> None:
        async with connect(**ALLOW) as client:
            result = await voice(client, voice_url="", video_id="880000000000000101")
        assert last_line(result)["code"] == "1201"
        assert len(requests_to(world, "voice-create")) == 1


async def test_voices_do_not_stand_among_the_videos(connect: Connect, world: World) -> None:
    async with connect(**ALLOW) as client:
        view = structured(await voice(client))
        found = structured(await client.call_tool("find_generations", {}))
        looked = await client.call_tool("get_element", {"id": view["task_id"]})
    assert found["total"] == 0
    assert "is the id of a voice, not of an element" in text_of(looked)


async def test_unknown_outcome_names_the_call_that_finds_the_voice(
    connect: Connect, world: World, faults: Faults
) -> None:
    """Kling shows neither the task nor its external id for now."""
    world.quirks = Quirks(query_by_external_id=False, list_running=False)
    faults.lose_reply_after_commit(route="voice-create", times=None)
    async with connect(**ALLOW) as client:
        result = await voice(client, wait_seconds=5)
    assert last_line(result).items() >= {"kind": "unknown_outcome", "created": "maybe"}.items()
    assert "call wait_for_tasks with ids=" in text_of(result)
    assert made(world) == 1
