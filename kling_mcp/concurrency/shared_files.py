"""Files that another program may have open just now."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Together a second and a half: longer than a virus scanner or an indexer holds a small file.
_PAUSES_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.15, 0.2, 0.5, 0.5)


def replace_file(replace: Callable[[], object], pause: Callable[[float], None] | None = None) -> None:
    """Run `replace`, which puts a file in the place of another one; call it from a worker thread.

    Windows refuses it while another program has either file open, which mostly ends at once, so there it is tried
    again. Elsewhere an open file hinders nobody, and a refusal is one for good.

    Raises:
        OSError: it cannot be done, or is still refused.
    """
    pauses = _PAUSES_SECONDS if sys.platform == "win32" else ()
    for seconds in pauses:
        try:
            replace()
        except PermissionError:
            (pause or time.sleep)(seconds)
        else:
            return
    replace()
