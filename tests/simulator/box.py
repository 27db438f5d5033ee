"""A simulated Kling on a clock that stands still, and an httpx client in front of it."""

import base64
import io
from collections.abc import Mapping
from typing import Any, Self

import httpx
from PIL import Image

from kling_mcp.simulator import Faults, SimulatorTransport, World

KEY = "an-api-key"
HOST = "https://api-singapore.klingai.com"
ELEMENTS = "/v1/general/advanced-custom-elements"
PRESETS = "/v1/general/advanced-presets-elements"
DELETE = "/v1/general/delete-elements"
VOICES = "/v1/general/custom-voices"
START = 1_780_000_000.0


class FakeClock:
    """Unix seconds that move only when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Box:
    """World, faults, clock and client in one hand."""

    def __init__(self, *, key: str = KEY, control: bool = False, **world: Any) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock, **{"api_keys": [KEY], **world})
        self.faults = Faults()
        transport = SimulatorTransport(self.world, self.faults, control=control, sleep=self.clock.sleep)
        self.http = httpx.AsyncClient(
            transport=transport,
            base_url=HOST,
            timeout=httpx.Timeout(30.0),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def create(self, **changes: Any) -> httpx.Response:
        """POST an image creation; a change to None leaves the field out."""
        return await self.http.post(ELEMENTS, json=image_creation(**changes))

    async def created(self, **changes: Any) -> str:
        """The task id of an accepted creation."""
        return str(data(await self.create(**changes))["task_id"])

    async def ready(self, **changes: Any) -> str:
        """The id of a finished element."""
        task_id = await self.created(**changes)
        self.clock.now += 20
        return str(element(data(await self.query(task_id)))["element_id"])

    async def query(self, item_id: str, path: str = ELEMENTS) -> httpx.Response:
        return await self.http.get(f"{path}/{item_id}")

    async def page(self, path: str = ELEMENTS, **params: int) -> list[dict[str, Any]]:
        """The rows of a list page."""
        rows = (await self.http.get(path, params=params)).json()["data"]
        assert isinstance(rows, list)
        return rows

    async def delete(self, element_id: object) -> httpx.Response:
        return await self.http.post(DELETE, json={"element_id": element_id})

    def account_creations(self) -> dict[str, int]:
        return dict(self.world.accepted_creations())


def image_creation(**changes: Any) -> dict[str, Any]:
    body = {
        "element_name": "Mia",
        "element_description": "Barista, short red hair, green apron",
        "reference_type": "image_refer",
        "element_image_list": images(),
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def video_creation(link: str = "https://example.com/host.mp4", **changes: Any) -> dict[str, Any]:
    videos = {"refer_videos": [{"video_url": link}]}
    return image_creation(
        **{
            "reference_type": "video_refer",
            "element_image_list": None,
            "element_video_list": videos,
            **changes,
        }
    )


def images(frontal: str = "https://example.com/front.png", *refers: str) -> dict[str, Any]:
    others = refers or ("https://example.com/side.png",)
    return {"frontal_image": frontal, "refer_images": [{"image_url": link} for link in others]}


def picture_bytes(width: int = 300, height: int = 300, image_format: str = "PNG", mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, image_format)
    return stream.getvalue()


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def data(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert (response.status_code, body["code"]) == (200, 0), body
    record = body["data"]
    assert isinstance(record, dict)
    return record


def element(record: Mapping[str, Any]) -> dict[str, Any]:
    (only,) = record["task_result"]["elements"]
    assert isinstance(only, dict)
    return only


def refusal(response: httpx.Response) -> tuple[int, int, str]:
    """HTTP status, code and message of an error in the vendor's envelope."""
    body = response.json()
    assert body["request_id"].startswith("Cl6")
    return response.status_code, body["code"], body["message"]
