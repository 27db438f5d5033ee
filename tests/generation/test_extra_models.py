"""Models that the table does not list: the rules of the newest one on their route, and the operator's price or none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from generation.test_prepare import CLIP, LINK, add, body_of, within
from kling_mcp.errors import InputError, KlingError
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.generation.extra_models import ExtraModel, extra_routes
from kling_mcp.generation.models import VIDEO_ROUTES
from kling_mcp.generation.prepare import PreparedVideo, prepare_video
from kling_mcp.generation.prices import TABLE_DATE

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

OMNI: ExtraModel = ("4.0-omni", "omni-video", "kling-4.0-omni", None)
PRICED: ExtraModel = ("4.0-omni", "omni-video", "kling-4.0-omni", Decimal("1.5"))
FROM_TEXT: ExtraModel = ("4.0", "text-to-video", "kling-4.0", Decimal(1))
FROM_IMAGE: ExtraModel = ("4.0", "image-to-video", "kling-4.0", Decimal(1))


async def video(account: Account, *models: ExtraModel, has_api_key: bool = True, **given: Any) -> PreparedVideo:
    surroundings = replace(within(account, has_api_key=has_api_key), extra_routes=extra_routes(models))
    return await prepare_video(VideoDraft(**{"model": "4.0-omni", **given}), surroundings)


async def refusal(account: Account, *models: ExtraModel, **given: Any) -> str:
    with pytest.raises(KlingError) as caught:
        await video(account, *models, **given)
    return caught.value.message


@pytest.mark.parametrize(("model", "like"), [(OMNI, "3.0-omni"), (FROM_TEXT, "3.0"), (FROM_IMAGE, "3.0")], ids=str)
def test_row_is_that_of_the_newest_listed_model_of_its_route(model: ExtraModel, like: str) -> None:
    (row,) = extra_routes([model])
    known = next(route for route in VIDEO_ROUTES if route.path.startswith(f"/{model[1]}/"))
    assert (row.model, row.path, row.like) == (model[0], f"/{model[1]}/{model[2]}", like)
    assert replace(row, model=like, path=known.path, like="", most_units_a_second=None) == known


async def test_request_names_the_model_in_its_path_and_elements_by_handle(account: Account, world: World) -> None:
    mia = add(world, "Mia")
    prepared = await video(account, OMNI, prompt="@Mia waves")
    assert prepared.request.route.path == "/omni-video/kling-4.0-omni"
    assert {"type": "element", "element_id": mia, "id": "Mia"} in body_of(prepared)["contents"]
    assert any("4.0-omni is known from this server's settings alone" in note for note in prepared.notes)


async def test_request_is_checked_by_the_rules_of_the_listed_model(account: Account) -> None:
    """fact: gen-unknown-fields-billed"""
    said = await refusal(account, OMNI, prompt="a boat", duration=16, aspect_ratio="4:3", last_frame=LINK)
    assert "duration: must be 3 to 15 whole seconds for model 4.0-omni" in said
    assert "aspect_ratio: must be 16:9, 9:16 or 1:1" in said
    assert "last_frame: must come with a first_frame" in said


async def test_route_follows_from_the_inputs(account: Account) -> None:
    both = (FROM_TEXT, FROM_IMAGE)
    from_text = await video(account, *both, model="4.0", prompt="a boat")
    from_image = await video(account, *both, model="4.0", prompt="a boat", first_frame=LINK)
    paths = [prepared.request.route.path for prepared in (from_text, from_image)]
    assert paths == ["/text-to-video/kling-4.0", "/image-to-video/kling-4.0"]
    assert "first_frame: must be empty for model 4.0" in await refusal(
        account, FROM_TEXT, model="4.0", prompt="a boat", first_frame=LINK
    )
    said = await refusal(account, FROM_IMAGE, model="4.0", prompt="a boat")
    assert "first_frame: must be given for model 4.0; got none" in said
    assert "key pair" not in said


async def test_added_model_needs_an_api_key(account: Account) -> None:
    """fact: auth-pair-legacy-only"""
    said = await refusal(account, OMNI, has_api_key=False, prompt="a boat")
    assert "model: must be a model that takes a key pair" in said


async def test_unknown_model_is_refused_with_near_ones_and_the_setting(account: Account) -> None:
    with pytest.raises(InputError) as caught:
        await video(account, OMNI, prompt="a boat", model="4.0-omnii")
    (problem,) = caught.value.problems
    assert problem.rule == "must be 3.0-omni, o1, 3.0, 3.0-turbo or 4.0-omni"
    assert "did you mean 4.0-omni?" in problem.fix
    assert "KLING_MCP_EXTRA_MODELS" in problem.fix
    assert "4.0-omni" not in await refusal(account, prompt="a boat", model="3.0-omn")


class TestPrice:
    async def test_price_without_a_figure_is_unknown_and_says_why(self, account: Account) -> None:
        estimate = (await video(account, OMNI, prompt="a boat")).estimate
        assert (estimate.is_known, estimate.is_exact, estimate.units) == (False, False, "unknown")
        assert str(estimate) == (
            "an unknown number of video units: model 4.0-omni is not in the price list of "
            f"{TABLE_DATE}, and this server's settings give none"
        )

    async def test_figure_of_the_operator_is_the_most_that_a_second_costs(self, account: Account) -> None:
        estimate = (await video(account, PRICED, prompt="a boat", duration=10, resolution="4k")).estimate
        assert (estimate.low, estimate.high, estimate.is_known) == (Decimal(15), Decimal(15), True)
        assert "10 s at no more than 1.5 units a second, as this server's settings say of 4.0-omni" in str(estimate)

    async def test_base_video_makes_it_a_range(self, account: Account) -> None:
        estimate = (await video(account, PRICED, prompt="@video_1 at night", video_url=CLIP, video_use="base")).estimate
        assert (estimate.low, estimate.high, estimate.units) == (Decimal("4.5"), Decimal("22.5"), "4.5 to 22.5")
        assert "the base video decides" in estimate.doubt


async def test_length_that_only_an_added_model_takes_is_no_problem_of_any_model(account: Account) -> None:
    (route,) = extra_routes([OMNI])
    long = replace(within(account), extra_routes=(replace(route, seconds=range(3, 31)),))
    for seconds, told in ((20, ("model",)), (31, ("model", "duration"))):
        with pytest.raises(InputError) as caught:
            await prepare_video(VideoDraft(prompt="x", model="5.0", duration=seconds), long)
        assert tuple(problem.argument for problem in caught.value.problems) == told
