"""The official elements and voices of the simulated Kling: invented, neutral, always the same.

Data only. Must not depend on an account or a clock.
"""

from kling_mcp.simulator.records import OFFICIAL, ElementTask, VoiceTask

_SINCE = 1_760_000_000.0  # seconds; before any test's clock, so they are always ready

# fact: presets (54 official elements). Names are invented.
_NAMES_BY_TAG: dict[str, tuple[str, ...]] = {
    "o_101": (
        "Morning Courier",
        "Evening Courier",
        "Corner Baker",
        "Roof Gardener",
        "Harbor Pilot",
        "Kite Maker",
    ),
    "o_102": (
        "Quiet Librarian",
        "Street Violinist",
        "Night Watchman",
        "Young Botanist",
        "Retired Captain",
        "Village Teacher",
        "Desert Guide",
        "Tram Conductor",
        "Glass Blower",
        "Mountain Doctor",
        "Puppet Carver",
        "Market Cook",
    ),
    "o_103": ("Grey Heron", "Orange Tabby", "Old Sheepdog", "Paper Crane", "River Otter", "Snow Hare"),
    "o_104": (
        "Brass Lantern",
        "Blue Teapot",
        "Wicker Basket",
        "Field Radio",
        "Red Umbrella",
        "Pocket Compass",
    ),
    "o_105": ("Yellow Raincoat", "Linen Apron", "Velvet Cloak", "Work Overall", "Straw Hat", "Winter Parka"),
    "o_106": (
        "Empty Pier",
        "Tiled Kitchen",
        "Birch Forest",
        "Rooftop Garden",
        "Night Station",
        "Chalk Cliff",
    ),
    "o_107": ("Drifting Snow", "Falling Petals", "Slow Fog", "Spark Shower", "Rain Ripples", "Dust Light"),
    "o_108": ("Paper Boat", "Clay Robot", "Wooden Train", "Cloud Whale", "Tin Rocket", "Moon Bicycle"),
}
_VOICES = ("Calm Alto", "Bright Tenor", "Warm Bass", "Clear Soprano")
_FIRST_ELEMENT_ID = 107  # fact: id-as-string, small ids such as 160


def preset_elements() -> list[ElementTask]:
    """The 54 official elements, in a fixed order."""
    named = [(tag, name) for tag, names in _NAMES_BY_TAG.items() for name in names]
    return [_preset_element(place, tag, name) for place, (tag, name) in enumerate(named)]


def preset_voices() -> list[VoiceTask]:
    """A few official voices, bindable to elements. fact: voice-routes"""
    return [
        VoiceTask(
            number=place,
            task_id=str(861_000_000_000_000_001 + place),
            owned_by=OFFICIAL,
            created=_SINCE,
            started=_SINCE,
            ended=_SINCE,
            voice_id=str(831_000_000_000_000_001 + 2 * place),
            voice_name=name,
        )
        for place, name in enumerate(_VOICES)
    ]


def _preset_element(place: int, tag: str, name: str) -> ElementTask:
    link = f"https://presets.example.com/{name.lower().replace(' ', '-')}"
    return ElementTask(
        number=place,
        task_id=str(860_000_000_000_000_001 + place),
        owned_by=OFFICIAL,
        created=_SINCE + place,
        started=_SINCE + place,
        ended=_SINCE + place,
        element_id=str(_FIRST_ELEMENT_ID + place),
        element_name=name,
        element_description=f"{name}, an official element",
        reference_type="image_refer",
        frontal_image=f"{link}-front.png",
        refer_images=(f"{link}-side.png",),
        tags=(tag,),
    )
