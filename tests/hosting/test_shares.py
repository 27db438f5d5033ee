"""Room that callers share: laws that hold whatever they do, and who gives way to whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.server.http.shares import STRANGERS, FullError, Place, Room

TOTAL, OF_ONE, OF_STRANGERS = 40, 16, 4
SHARES = [STRANGERS, b"anna", b"bert", b"cleo", b"dora"]


def room() -> Room[Place]:
    return Room(TOTAL, of_one=OF_ONE, of_strangers=OF_STRANGERS)


def fill(hall: Room[Place], share: bytes, *, gives_way: bool = False) -> list[Place]:
    """As many places as this caller can get."""
    taken: list[Place] = []
    while len(taken) < TOTAL:
        place = Place(share, gives_way=gives_way)
        try:
            hall.take(place)
        except FullError:
            break
        taken.append(place)
    return taken


steps = st.lists(st.tuples(st.sampled_from(["take", "leave", "use", "bind"]), st.integers(0, 30), st.integers(1, 20)))


@given(steps, st.lists(st.sampled_from(SHARES), min_size=31, max_size=31))
def test_room_is_never_exceeded_and_everything_is_given_back(
    history: list[tuple[str, int, int]], shares: list[bytes]
) -> None:
    hall = room()
    places = [Place(share, gives_way=number % 2 == 0) for number, share in enumerate(shares)]
    held = dict.fromkeys(range(len(places)), 0)
    for what, number, size in history:
        place = places[number]
        if what == "take":
            try:
                lost = hall.take(place, size)
            except FullError:
                continue
            held[number] += size
            for other in lost:
                assert other.share == place.share, "only the own caller makes room"
                assert other.gives_way
                assert other is not place
                held[places.index(other)] = 0
        elif what == "leave":
            hall.leave(place)
            held[number] = 0
        elif what == "use":
            hall.use(place, shares[size])
        else:
            place.gives_way = not place.gives_way
        assert [other.size for other in places] == list(held.values())
        assert sum(held.values()) <= TOTAL
    for place in places:
        hall.leave(place)
    assert len(fill(hall, b"anna")) == OF_ONE


@pytest.mark.parametrize("greedy", [[STRANGERS], [b"anna"], [STRANGERS, b"anna", b"bert"]], ids=len)
def test_newcomer_finds_room_whatever_others_hold(greedy: list[bytes]) -> None:
    hall = room()
    for share in greedy:
        assert fill(hall, share)
    assert fill(hall, b"newcomer")


def test_strangers_have_one_small_share_together() -> None:
    hall = room()
    assert len(fill(hall, STRANGERS)) == OF_STRANGERS
    assert len(fill(hall, b"anna")) == OF_ONE


def test_oldest_place_that_gives_way_is_lost_first() -> None:
    hall = room()
    first, second, *_ = places = fill(hall, b"anna")
    first.gives_way = second.gives_way = True
    assert hall.take(Place(b"anna")) == [first]
    hall.use(second, b"anna")
    places[2].gives_way = True
    assert hall.take(Place(b"anna")) == [places[2]], "the second was used since"


def test_request_that_does_not_fit_at_all_costs_no_place() -> None:
    hall = room()
    small = Place(b"anna", gives_way=True)
    hall.take(small)
    with pytest.raises(FullError):
        hall.take(Place(b"anna"), TOTAL)
    assert small.size == 1


def test_place_of_a_stranger_moves_into_the_share_that_its_caller_proves() -> None:
    hall = room()
    strangers = fill(hall, STRANGERS)
    hall.use(strangers[0], b"anna")
    assert strangers[0].share == b"anna"
    hall.take(Place(STRANGERS))
