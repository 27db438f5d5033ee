"""The JSON bodies of generations, for both standards. Pure: checked inputs in, body out.

Only fields of the route's documentation are written, and only where they have an effect (fact:
gen-unknown-fields-billed). A picture that is not a link is `bytes`, which go out as Base64 (fact: base64-bare).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.generation.shots import join_shots, list_shots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.generation.draft import VideoUse
    from kling_mcp.generation.models import Audio, ImageResolution, ImageRoute, VideoResolution, VideoRoute
    from kling_mcp.media.picture import Picture

_MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}  # facts: old-omni-fields, old-duration-text


@dataclass(frozen=True, slots=True)
class UsedElement:
    """An element as a request names it; `handle` is as the prompt has it, such as `@Mia` or `<<<element_1>>>`."""

    element_id: str
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """A checked video request. `prompt` and the texts of `shots` hold the route's handles; one of them is empty.

    Attributes:
        seconds: None where a base video decides.
        aspect_ratio: "" where the route has no such field or a frame decides.
        shots: seconds and text of each.
    """

    route: VideoRoute
    prompt: str = ""
    shots: tuple[tuple[int, str], ...] = ()
    elements: tuple[UsedElement, ...] = ()
    images: tuple[Picture, ...] = ()
    first_frame: Picture | None = None
    last_frame: Picture | None = None
    video_url: str = ""
    video_use: VideoUse = "feature"
    seconds: int | None = None
    aspect_ratio: str = ""
    resolution: VideoResolution = "720p"
    audio: Audio = "off"

    def body(self, external_task_id: str, callback_url: str = "") -> dict[str, object]:
        """The body, with the external id in the place where the route reads it. fact: gen-external-id"""
        options = {"external_task_id": external_task_id} | ({"callback_url": callback_url} if callback_url else {})
        if self.route.standard == "3.0":
            return _new_video(self) | {"options": options}
        return _older_video(self) | options


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A checked picture request. `prompt` holds the route's handles; `aspect_ratio` is always sent."""

    route: ImageRoute
    prompt: str
    elements: tuple[UsedElement, ...] = ()
    images: tuple[Picture, ...] = ()
    count: int = 1
    aspect_ratio: str
    resolution: ImageResolution = "1k"

    def body(self, external_task_id: str, callback_url: str = "") -> dict[str, object]:
        """facts: old-images, legacy-id-type, gen-external-id"""
        body: dict[str, object] = {"model_name": self.route.model_name, "prompt": self.prompt}
        if self.images and self.route.pictures == 1:
            body["image"] = self.images[0].wire()
        elif self.images:
            body["image_list"] = [{"image": picture.wire()} for picture in self.images]
        if self.elements:
            body["element_list"] = _element_list(self.elements)
        body |= {"resolution": self.resolution, "n": self.count, "aspect_ratio": self.aspect_ratio}
        if callback_url:
            body["callback_url"] = callback_url
        return body | {"external_task_id": external_task_id}


def _new_video(request: VideoRequest) -> dict[str, object]:
    """facts: gen30-routes, gen30-models, gen30-content-ids, gen30-with-video"""
    settings: dict[str, object] = {"resolution": request.resolution}
    if request.route.audio:
        settings["audio"] = request.audio
    if request.seconds is not None:
        settings["duration"] = request.seconds
    if request.aspect_ratio:
        settings["aspect_ratio"] = request.aspect_ratio
    if _has_multi_shot_field(request):
        # The default is true: without a word Kling may cut a video that was asked for in one piece.
        settings["multi_shot"] = bool(request.shots) or _is_feature(request)
    prompt = join_shots(request.shots) if request.shots else request.prompt
    if request.route.first_frame == "none":
        return {"prompt": prompt, "settings": settings}
    return {"contents": [{"type": "prompt", "text": prompt}, *_contents(request)], "settings": settings}


def _has_multi_shot_field(request: VideoRequest) -> bool:
    """Turbo cuts by the prompt alone, O1 never. fact: gen30-models"""
    return request.route.cuts and bool(request.route.audio)


def _is_feature(request: VideoRequest) -> bool:
    return bool(request.video_url) and request.video_use == "feature"


def _contents(request: VideoRequest) -> Iterator[dict[str, object]]:
    """Everything but the prompt. Pictures and the video carry the name that the prompt uses for them."""
    if request.first_frame is not None:
        yield {"type": "first_frame", "url": request.first_frame.wire()}
    if request.last_frame is not None:
        yield {"type": "last_frame", "url": request.last_frame.wire()}
    for place, picture in enumerate(request.images, start=1):
        yield {"type": "refer_image", "url": picture.wire(), "id": f"image_{place}"}
    if request.video_url:
        yield {"type": f"{request.video_use}_video", "url": request.video_url, "id": "video_1"}
    for element in request.elements:  # fact: new-id-string
        yield {"type": "element", "element_id": element.element_id, "id": element.handle.removeprefix("@")}


def _older_video(request: VideoRequest) -> dict[str, object]:
    """facts: gen-name-the-model, old-omni-fields, old-image2video-fields, old-duration-text, old-no-type"""
    body: dict[str, object] = {"model_name": request.route.model_name}
    if request.shots:
        body |= {"multi_shot": True, "shot_type": "customize", "multi_prompt": list_shots(request.shots)}
    else:
        body["prompt"] = request.prompt
    body |= _older_media(request)
    if request.elements:
        body["element_list"] = _element_list(request.elements)
    body["mode"] = _MODES[request.resolution]
    body["sound"] = "on" if request.audio == "native" else "off"
    if request.aspect_ratio:
        body["aspect_ratio"] = request.aspect_ratio
    if request.seconds is not None:
        body["duration"] = str(request.seconds)
    return body


def _older_media(request: VideoRequest) -> dict[str, object]:
    first, last = request.first_frame, request.last_frame
    if not request.route.references:
        frames = {"image": first, "image_tail": last}
        return {name: picture.wire() for name, picture in frames.items() if picture is not None}
    # Reference pictures come first, so that <<<image_1>>> is the first of them.
    pictures: list[dict[str, object]] = [{"image_url": picture.wire()} for picture in request.images]
    if first is not None:
        pictures.append({"image_url": first.wire(), "type": "first_frame"})
    if last is not None:
        pictures.append({"image_url": last.wire(), "type": "end_frame"})
    media: dict[str, object] = {"image_list": pictures} if pictures else {}
    if request.video_url:
        keeps = "yes" if request.audio == "original" else "no"
        video = {"video_url": request.video_url, "refer_type": request.video_use, "keep_original_sound": keeps}
        media["video_list"] = [video]
    return media


def _element_list(elements: tuple[UsedElement, ...]) -> list[dict[str, int]]:
    """Python writes integers with all their digits. facts: handle-legacy, legacy-id-type"""
    return [{"element_id": int(element.element_id)} for element in elements]
