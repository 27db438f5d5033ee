"""While modules load no garbage is looked for."""

from __future__ import annotations

import gc
from contextlib import suppress

from kling_mcp.server.loading import collector_rests


def test_collector_works_again_after_loading_has_failed() -> None:
    with suppress(ImportError), collector_rests():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()


def test_collector_that_a_program_has_switched_off_stays_off() -> None:
    gc.disable()
    try:
        with collector_rests():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_objects_of_a_program_that_embeds_the_server_stay_collectable() -> None:
    before = gc.get_freeze_count()
    with collector_rests():
        pass
    assert gc.get_freeze_count() == before
