"""The medians of rounds, which every statistic of latencies begins with.

Queries of a round follow each other within milliseconds and are far from independent; rounds of a
launch share a process, with its memory and threads where they happened to lie. So a round counts
as one median, and launches are the observations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecls.bench.samples import Samples

Medians = dict[tuple[int, int], float]


def of_rounds(samples: Samples) -> Medians:
    """(launch, round) -> milliseconds, in the order of time."""
    latency = np.asarray(samples.latency_ms, dtype=np.float64)
    places = np.stack([np.asarray(samples.launch), np.asarray(samples.round)], axis=1)
    if not len(latency):
        return {}
    found, which = np.unique(places.astype(np.int64), axis=0, return_inverse=True)
    which = which.reshape(-1)
    return {
        (int(launch), int(number)): float(np.median(latency[which == index]))
        for index, (launch, number) in enumerate(found)
    }


def ratio(rounds: Medians, beside: Medians) -> float:
    """The median over pairs of rounds that were asked in turn: what slows both cancels out."""
    return float(np.median([each / beside[at] for at, each in rounds.items() if at in beside]))


def by_launch(medians: Medians) -> list[NDArray[np.float64]]:
    """The medians of each launch's rounds."""
    launches = sorted({launch for launch, _ in medians})
    return [
        np.array([value for (at, _), value in medians.items() if at == launch])
        for launch in launches
    ]
