"""What the demo creates. Nothing is checked here: the server reports problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Drawn by tools/draw_demo_pictures.py.
PIP_PICTURES = tuple(str(Path(__file__).parent / "pictures" / name) for name in ("pip-front.jpg", "pip-side.jpg"))
PIP_DESCRIPTION = "A small round teal robot with glowing eyes on a dark screen, coral ears and one antenna"


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """One element to create; the first picture is the frontal one.

    With `film_dir`, a full path, a clip of the element is made there.
    """

    name: str
    description: str
    pictures: tuple[str, ...]
    wait_seconds: int
    film_dir: str = ""

    def arguments(self) -> dict[str, Any]:
        """The arguments of create_element_and_wait."""
        return {
            "element_name": self.name,
            "element_description": self.description,
            "reference_type": "image_refer",
            "frontal_image": self.pictures[0],
            "refer_images": list(self.pictures[1:]),
            "tags": ["Character"],
            "wait_seconds": self.wait_seconds,
        }

    def film_arguments(self, row: dict[str, Any]) -> dict[str, Any]:
        """The arguments of generate_video for the finished element, without consent to its price."""
        return {"prompt": f"@{{{row['element_name']}}} waves at the camera", "elements": [row["element_id"]]}

    def folders(self) -> list[str]:
        """The folders of local pictures, which the server must be allowed to read."""
        paths = [Path(picture).expanduser() for picture in self.pictures]
        return list(dict.fromkeys(str(path.absolute().parent) for path in paths if path.is_file()))


def demo_request(name: str, description: str, pictures: tuple[str, ...], *, live: bool) -> DemoRequest:
    """The request, with defaults filled in.

    Simulated tasks take 5 seconds, real ones up to two minutes (fact: time-image).
    """
    name = name or ("kmcp demo" if live else "Pip")
    description = description or (name if pictures else PIP_DESCRIPTION)
    return DemoRequest(name, description, pictures or PIP_PICTURES, wait_seconds=300 if live else 15)
