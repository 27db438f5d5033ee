"""The routes that make videos and pictures: both standards, many tasks in one request, and tolerant reading."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, requests_to
from simulator.generation_box import BODIES, NEW, OLDER, OMNI, OMNI_IMAGE, with_external_id
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey, KeyPair
from kling_mcp.api.client import KlingClient
from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.request_body import Upload
from kling_mcp.api.sender import Sender
from kling_mcp.errors import NotFoundError, UnexpectedReplyError
from kling_mcp.generation.routes import BODY, PATH, generation_routes
from kling_mcp.simulator import Faults, Quirks, SimulatorTransport, World
from kling_mcp.simulator.generation.ledger import Pack
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.route import TaskRoute

pytestmark = pytest.mark.anyio

TAKES = 30.0
LINK = {"url": "https://v1.klingai.com/a.mp4", "id": "5", "duration": "5.041"}


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(
        clock.wall,
        api_keys=[API_KEY],
        key_pairs={ACCESS_KEY: SECRET_KEY},
        durations=lambda _kind, _rng: TAKES,
        packs=[Pack("video", concurrency=100), Pack("image", concurrency=100)],
    )


def api_of(world: World, faults: Faults, clock: VirtualClock, *, has_pair: bool = False) -> GenerationApi:
    sender = Sender("https://kling.invalid", clock, make_transport=lambda: SimulatorTransport(world, faults))
    credential = KeyPair(ACCESS_KEY, SECRET_KEY) if has_pair else ApiKey(API_KEY)
    return GenerationApi(KlingClient(sender, credential, clock))


@pytest.fixture
def api(world: World, faults: Faults, clock: VirtualClock) -> GenerationApi:
    return api_of(world, faults, clock)


@pytest.fixture
def pair(world: World, faults: Faults, clock: VirtualClock) -> GenerationApi:
    """With the older key pair."""
    return api_of(world, faults, clock, has_pair=True)


async def make(api: GenerationApi, path: str = OMNI, external_id: str = "kmcp-a") -> GenerationTask:
    return await api.create(path, with_external_id(path, external_id), external_task_id=external_id)


async def make_many(api: GenerationApi, count: int) -> list[GenerationTask]:
    return [await make(api, external_id=f"kmcp-{number}") for number in range(count)]


async def test_task_that_cannot_be_read_is_not_taken_for_an_unknown_one(api: GenerationApi, faults: Faults) -> None:
    """What is unknown may be paid for again."""
    task = await make(api)
    for name in (task.task_id, "kmcp-a"):
        faults.malformed("wrong-fields", route="tasks-get", times=None)
        with pytest.raises(UnexpectedReplyError):
            await api.get_many([name])
        faults.clear()
        assert [found.task_id for found in await api.get_many([name])] == [task.task_id]


class TestCreating:
    @pytest.mark.parametrize("path", BODIES)
    async def test_task_of_each_route_is_read_in_either_standard(
        self, api: GenerationApi, clock: VirtualClock, world: World, path: str
    ) -> None:
        task = await make(api, path)
        assert (task.external_task_id, task.is_final) == ("kmcp-a", False)
        assert task.created_at == round(clock.wall() * 1000)
        await clock.sleep(TAKES)
        (ended,) = await api.get_many([task.task_id])
        assert (ended.task_status, ended.external_task_id) == ("succeed", "kmcp-a")
        assert ended.units_deducted == f"{world.generations[task.task_id].units:f}"
        assert all(result.url.startswith("https://") for result in ended.results)

    @pytest.mark.parametrize("path", OLDER)
    async def test_older_route_shows_the_same_task_as_the_tasks_route(
        self, pair: GenerationApi, clock: VirtualClock, path: str
    ) -> None:
        task = await make(pair, path)
        await clock.sleep(TAKES)
        ended = await pair.get(path, task.task_id)
        assert (ended.task_status, bool(ended.results)) == ("succeed", True)
        assert [one.task_id for one in await pair.page(path, 1, 30)] == [task.task_id]

    async def test_older_route_does_not_know_the_tasks_of_another(self, pair: GenerationApi) -> None:
        task = await make(pair, OMNI_IMAGE)
        with pytest.raises(NotFoundError):
            await pair.get("/v1/videos/omni-video", task.task_id)


class TestReadingMany:
    @pytest.mark.parametrize(("count", "requests"), [(1, 1), (20, 1), (21, 2), (45, 3)])
    async def test_twenty_tasks_are_read_with_one_request(
        self, api: GenerationApi, world: World, count: int, requests: int
    ) -> None:
        tasks = await make_many(api, count)
        found = await api.get_many([task.task_id for task in tasks])
        assert [task.task_id for task in found] == [task.task_id for task in tasks]
        assert len(requests_to(world, "tasks-get")) == requests

    async def test_ids_of_both_kinds_are_asked_for_apart_and_unknown_ones_are_absent(
        self, api: GenerationApi, world: World
    ) -> None:
        first, second = await make_many(api, 2)
        found = await api.get_many([first.task_id, "kmcp-1", "870000000000000000", "kmcp-unknown"])
        assert [task.task_id for task in found] == [first.task_id, second.task_id]
        queries = [request.query.partition("=")[0] for request in requests_to(world, "tasks-get")]
        assert queries == ["task_ids", "external_task_ids"]

    async def test_recent_tasks_come_page_by_page_and_by_product(self, api: GenerationApi, clock: VirtualClock) -> None:
        videos = await make_many(api, 5)
        picture = await make(api, OMNI_IMAGE, "kmcp-picture")
        first, cursor = await api.recent(limit=3, product="video")
        rest, end = await api.recent(limit=3, cursor=cursor)
        assert [task.task_id for task in (*first, *rest)] == [task.task_id for task in reversed(videos)]
        assert (bool(cursor), end) == (True, "")
        assert [task.task_id for task in (await api.recent(limit=500, product="image"))[0]] == [picture.task_id]

    async def test_list_that_is_none_is_an_error_of_kling(self, api: GenerationApi, faults: Faults) -> None:
        faults.malformed("wrong-data", route="tasks-list", times=None)
        with pytest.raises(UnexpectedReplyError):
            await api.recent(limit=3)


class TestTolerantReading:
    @pytest.mark.parametrize("name", ["outputs", "references"])
    def test_results_are_read_under_either_name(self, name: str) -> None:
        task = GenerationTask.model_validate({"id": "88", "status": "succeeded", name: [{"type": "video", **LINK}]})
        assert (task.task_status, task.result_ids) == ("succeed", ["5"])
        assert task.results[0].duration == "5.041"

    @pytest.mark.parametrize(
        ("told", "units"),
        [
            ({"billing": [{"charge_type": "unit", "amount": "3.0"}]}, "3.0"),
            ({"billing": [{"charge_type": "unit", "amount": 3}]}, "3"),
            ({"billing": [{"charge_type": "cash", "amount": "0.42"}]}, ""),
            ({"billing": []}, ""),
            ({"billing": None}, ""),
            ({"billing": "none"}, ""),
            ({"billing": [None, 7]}, ""),
            ({}, ""),
        ],
    )
    def test_units_are_read_from_each_form_of_the_bill(self, told: dict[str, Any], units: str) -> None:
        assert GenerationTask.model_validate({"id": "88", "status": "succeeded", **told}).units_deducted == units

    @pytest.mark.parametrize("outputs", [None, [], {}, "x", [None, 7, {"type": "text"}, {"type": "video"}]])
    def test_outputs_that_hold_no_link_are_no_results(self, outputs: object) -> None:
        task = GenerationTask.model_validate({"id": "88", "status": "succeeded", "outputs": outputs})
        assert (task.results, task.result_ids) == ([], [])

    @pytest.mark.parametrize("kind", [["video"], {"type": "video"}, 7, None])
    def test_output_whose_type_is_no_word_costs_no_other_result(self, kind: object) -> None:
        """Found by fuzzing: the reply to a request that was paid for ended in a defect."""
        outputs = [{"type": kind, **LINK}, {"type": "video", **LINK}]
        task = GenerationTask.model_validate({"id": "88", "status": "succeeded", "outputs": outputs})
        assert (task.task_id, task.result_ids) == ("88", ["5"])

    @pytest.mark.parametrize("quirks", [Quirks(extra_fields=True, tasks_outputs="references", deduction="number")])
    @pytest.mark.parametrize("path", [*NEW, *OLDER])
    async def test_odd_replies_are_read_on_every_route(
        self, api: GenerationApi, world: World, clock: VirtualClock, path: str, quirks: Quirks
    ) -> None:
        world.quirks = quirks
        task = await make(api, path)
        await clock.sleep(TAKES)
        (ended,) = await api.get_many(["kmcp-a"])
        assert (ended.task_id, bool(ended.results), bool(ended.units_deducted)) == (task.task_id, True, True)


class TestKinds:
    async def test_each_older_route_is_a_kind_of_its_own_for_a_key_pair(self, pair: GenerationApi) -> None:
        routes = generation_routes(pair, has_api_key=False)
        kinds = [route.kind for route in routes]
        assert sorted(kinds) == ["images-generations", "images-omni-image", "videos-image2video", "videos-omni-video"]
        assert {route.shown_kind for route in routes} == {"video", "image"}
        assert not any(route.get_many or route.finds_external_ids for route in routes)

    async def test_key_pair_finds_a_picture_by_its_external_id(self, pair: GenerationApi) -> None:
        task = await make(pair, OMNI_IMAGE)
        assert (await pair.get(OMNI_IMAGE, "kmcp-a")).task_id == task.task_id

    async def test_api_key_finds_every_task_by_its_external_id(self, api: GenerationApi, world: World) -> None:
        world.quirks = Quirks(query_by_external_id=False)
        video, picture = generation_routes(api, has_api_key=True)
        for route, path in ((video, OMNI), (picture, OMNI_IMAGE)):
            assert route.finds_external_ids
            task = await make(api, path, f"kmcp-{route.kind}")
            assert (await route.get(f"kmcp-{route.kind}")).task_id == task.task_id
            with pytest.raises(NotFoundError):
                await route.get("kmcp-unknown")


class TestWaiting:
    @pytest.mark.parametrize("count", [1, 20, 45])
    async def test_waiting_for_many_asks_once_in_a_round(
        self, api: GenerationApi, world: World, clock: VirtualClock, count: int
    ) -> None:
        tasks = await make_many(api, count)
        snapshots = await Poller(self.videos(api), clock).wait(
            [task.task_id for task in tasks], 600, known={task.task_id: task for task in tasks}
        )
        assert {snapshot.task.task_status for snapshot in snapshots.values() if snapshot.task} == {"succeed"}
        by_id, listed = requests_to(world, "tasks-get"), requests_to(world, "tasks-list")
        assert len({request.time for request in by_id + listed}) == len(by_id + listed)
        # The list is worth its bytes only where it spares several requests.
        assert (bool(by_id), bool(listed)) == (count <= 20, count > 20)
        assert clock.monotonic() < TAKES + 15

    async def test_task_that_kling_does_not_know_ends_its_own_wait_alone(
        self, api: GenerationApi, clock: VirtualClock
    ) -> None:
        task = await make(api)
        snapshots = await Poller(self.videos(api), clock).wait([task.task_id, "870000000000000000"], 600)
        assert isinstance(snapshots["870000000000000000"].error, NotFoundError)
        known = snapshots[task.task_id].task
        assert known is not None
        assert known.task_status == "succeed"

    async def test_submitted_body_goes_where_it_says(self, api: GenerationApi, world: World) -> None:
        request = {PATH: OMNI, BODY: with_external_id(OMNI, "kmcp-a")}
        task = await self.videos(api).submit(request, external_task_id="kmcp-a", upload=Upload())
        assert world.generations[task.task_id].external_task_id == "kmcp-a"
        assert world.ignored_fields == []

    @staticmethod
    def videos(api: GenerationApi) -> TaskRoute[GenerationTask]:
        return generation_routes(api, has_api_key=True)[0]
