"""What the simulator records of a request: enough to prove what was sent, but no secrets.

Must never contain a credential, a token or the bytes of a picture.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request that reached the simulator, and its outcome.

    `status` is None if no reply was sent, `code` if the reply had no vendor's code. `committed` says whether the
    request created or deleted something, `ignored` which fields and handles a billed
    generation did not use, and `faults` names the faults that were used for it.
    """

    number: int
    time: float
    method: str
    path: str
    route: str
    query: str
    headers: Mapping[str, str]
    credential: str
    account: str = ""
    body_sha256: str = ""
    body_bytes: int = 0
    picture_sha256: tuple[str, ...] = ()
    committed: bool = False
    ignored: list[str] = field(default_factory=list)
    status: int | None = None
    code: int | None = None
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `GET /_simulator/requests`."""
        return asdict(self)
