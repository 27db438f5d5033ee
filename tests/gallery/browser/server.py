"""The real server over http with a furnished simulator, for the browser: prints the addresses of both, until killed.

Whoever runs it is no user: a page of another origin may call it, every link leads to a drawn face, what it makes is
made in seconds, and nobody is asked before it is paid.
"""

from __future__ import annotations

import io
import random
import socket
import sys
import zlib
from pathlib import Path

import httpx
import uvicorn
from PIL import Image, ImageDraw
from starlette.middleware.cors import CORSMiddleware

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from thumbnails.internet import Internet, picture

from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import SimulatorTransport, World, served_in_background
from kling_mcp.simulator.durations import default_durations

KEY = "gallery-key"  # the page sends it with every request, as a caller does
HOSTILE = '<img src=x onerror="top.hacked=1"><script>top.hacked=2</script>'
NAMES = ("Mia", "Rex", "Noor", "Otto", "Ayşe", "白鹿", "Lantern", "Harbour", "Juno", "Милá", "Tiago", "Copper kettle")
TAGS = ("o_102", "o_103", "o_102", "o_102", "o_102", "o_103", "o_104", "o_106", "o_102", "o_102", "o_102", "o_104")
MAX_ELEMENTS = 205
MAX_FACES = 6  # for the cast of a sheet
SECONDS = {
    "image": 0.5,
    "image_refer": 0.5,
    "video": 2.0,
    "video_turbo": 2.0,
    "video_omni": 2.0,
    "video_omni_references": 2.0,
}


def draw_face(path: str) -> bytes:
    """A head and shoulders on a coloured ground; the same path gives the same face."""
    seed = zlib.crc32(path.encode())
    shade = [60 + (seed >> shift) % 150 for shift in (0, 7, 14)]
    image = Image.new("RGB", (600, 600), tuple(shade))
    draw = ImageDraw.Draw(image)
    tone = 110 + (seed >> 5) % 130
    skin = (tone, tone * 4 // 5, tone * 7 // 10)
    draw.ellipse((120, 380, 480, 900), fill=tuple(255 - part for part in shade))
    draw.ellipse((180, 120, 420, 440), fill=skin)
    draw.pieslice((170, 90, 430, 350), 180, 360, fill=tuple(part // 3 for part in shade))
    for left in (245, 325):
        draw.ellipse((left, 255, left + 28, 283), fill="black")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def furnish(world: World) -> None:
    """A library of every kind of element, the oldest first."""
    account = world.account_of(KEY)
    voice = world.add_voice(account, "Warm alto")
    for number in range(MAX_ELEMENTS - 6):
        place = number % len(NAMES)
        name = NAMES[place] if number < len(NAMES) else f"{NAMES[place]} {number // len(NAMES) + 1}"
        element = world.add_element(
            account,
            name,
            description=f"{name}, number {number}",
            tags=(TAGS[place],),
            voice_id=voice.voice_id if number % 5 == 0 else "",
            created_at=1_780_000_000 + number,
        )
        # Some have no picture, some lead nowhere.
        if number % 11 != 4:
            host = "gone" if number % 11 == 7 else "faces"
            element.frontal_image = f"https://{host}.example.com/{number}.jpg"
    late = 1_780_001_000
    world.add_element(account, "Refused", status="failed", created_at=late)
    world.add_element(account, "Gone", status="deleted", created_at=late + 1)
    world.add_element(account, "Coming soon", status="pending", created_at=2_100_000_000)
    world.add_element(account, HOSTILE, description=HOSTILE * 1600, tags=("o_108",), created_at=late + 3)
    world.add_element(account, "safe\u202egpj.exe\u2066\u200b", description="\u202e" * 100_000, created_at=late + 4)
    world.add_element(account, "A name that is much longer than any card is wide", created_at=late + 5)


def draw_sheet_pictures(folder: Path) -> None:
    """A folder for sheets, with pictures for their cast."""
    folder.mkdir()
    for number in range(1, MAX_FACES + 1):
        (folder / f"{number}.jpg").write_bytes(draw_face(f"sheet {number}"))


def quick(kind: str, rng: random.Random) -> float:
    """Seconds that a task takes, too few to wait for."""
    return SECONDS.get(kind) or default_durations(kind, rng)


def main() -> None:
    """Serve on free ports of this computer."""
    world = World(any_api_key=True, durations=quick, files_origin="https://v21.klingai.com")
    furnish(world)
    internet = Internet()
    internet.host("faces.example.com", lambda request: picture(draw_face(request.url.path))(request))
    internet.host("gone.example.com", lambda _: httpx.Response(404))
    state = Path(sys.argv[1])
    spending = SpendingSettings(mode="allow", units_per_call=0, units_per_day=0)
    sheets = state / "sheets"  # the starter writes sheets there
    draw_sheet_pictures(sheets)
    settings = Settings(state_dir=state, output_dir=state / "out", spending=spending, media_dirs=(sheets,))
    runtime = Runtime(
        settings, transport="http", make_transport=lambda: SimulatorTransport(world), fetcher=internet.fetcher()
    )
    app = CORSMiddleware(
        build_http_app(runtime),
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["mcp-session-id"],
    )
    listener = socket.create_server(("127.0.0.1", 0))
    with served_in_background(world) as simulator:  # the files, for the browser
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", simulator, flush=True)  # noqa: T201 - the starter reads it
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
