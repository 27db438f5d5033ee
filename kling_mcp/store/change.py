"""What replicas that share a state announce to each other: a change of an account's data at Kling."""

from __future__ import annotations

from typing import Literal, NamedTuple

# callback: Kling called back about a task. task: a replica saw that a task began or ended. deletion: an element may
# be deleted.
ChangeKind = Literal["callback", "task", "deletion"]


class Change(NamedTuple):
    """`account` is a fingerprint. `subject_id` is an id of the task, or for a deletion the element's."""

    account: str
    kind: ChangeKind
    subject_id: str
