"""How long the random tests search: the one place that knows Hypothesis's profiles and `HYPOTHESIS_PROFILE`.

- `patient`, the default: short, and in `tests/fuzz` always the same.
- `nightly`: `make nightly`, the whole suite with many more histories.
- `fuzz`: `make fuzz`, one round of `tests/fuzz`, new ones for each seed (`tests/fuzz/campaign.py`).
"""

from __future__ import annotations

import os

import hypothesis
from hypothesis import HealthCheck, Phase

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "patient")
IS_NIGHTLY = PROFILE == "nightly"
# How many times the examples of the short run.
_TIMES = {"nightly": 20, "fuzz": 12}


def load() -> None:
    """Register the profiles and choose the one that was asked for."""
    # Examples are slower while coverage is measured; nothing here is a benchmark.
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5000)
    hypothesis.settings.register_profile("fuzz", deadline=None)
    hypothesis.settings.load_profile(PROFILE)


def fuzzing(examples: int) -> hypothesis.settings:
    """The settings of one fuzzer, which draws so many examples in the short run."""
    return hypothesis.settings(
        max_examples=examples * _TIMES.get(PROFILE, 1),
        derandomize=PROFILE not in _TIMES,
        print_blob=True,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),  # explaining takes longer than finding here
        deadline=None,
        # Each example starts a server; large and deep values are the point.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
