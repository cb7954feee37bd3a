"""Samples as launches of a machine might have given them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecls.bench.samples import Samples


@pytest.fixture(scope="session")
def sampled() -> Callable[..., Samples]:
    """Medians of each launch's rounds, in milliseconds -> some queries around each of them."""

    def make(medians: Any, queries: int = 5, **fields: Any) -> Samples:
        found = Samples(load_ms=[1.0], first_inference_ms=[1.0], rss_bytes=1, **fields)
        spread = np.linspace(-0.001, 0.001, queries)
        for launch, rounds in enumerate(medians):
            for number, value in enumerate(rounds):
                found.latency_ms += [float(value * (1 + each)) for each in spread]
                found.launch += [launch] * queries
                found.round += [number] * queries
        return found

    return make


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Any]:
    """Medians of a run whose launches and rounds differ by such shares of the latency."""

    def make(
        seed: int, launch_sd: float, round_sd: float, launches: int = 5, rounds: int = 4
    ) -> Any:
        rng = np.random.default_rng(seed)
        of_launch = rng.normal(0, launch_sd, (launches, 1))
        return 0.4 * np.exp(of_launch + rng.normal(0, round_sd, (launches, rounds)))

    return make
