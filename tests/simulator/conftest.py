from collections.abc import AsyncIterator

import pytest

from simulator.box import Box


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    async with Box() as made:
        yield made
