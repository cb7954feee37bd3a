"""Rounds during which the machine itself was slower than in others, whatever it was asked.

Each round tells how long a fixed piece of arithmetic took meanwhile, between its queries
(`edgecls.device.pace`). On a shared machine a neighbour on the other thread of the core comes and
goes in seconds, and makes both the arithmetic and the model slower by a third to a half, while no
account of the kernel tells of it. Such a round is not judged by its latencies, which would be to
choose one's figures, but by the arithmetic alone; it is asked again, at most `AGAIN` times, and
where that does not help the row is flagged.

What is usual is the pace that a tenth of the row's rounds had or bettered: a clock that is held
down for good, or a first round on a cool one, is no reason to ask everything again.
"""

from __future__ import annotations

import numpy as np

from edgecls.bench.samples import Samples

USUAL, SLOWED, AGAIN = 0.1, 1.25, 2
# Of a row's rounds, beyond which it is flagged.
MOST_SLOWED = 0.1


def places(samples: Samples) -> list[tuple[int, int]]:
    """(launch, round) of those that were slowed; none where nothing was told."""
    told = [each for each in samples.pace_ms if each > 0]
    if not told:
        return []
    limit = SLOWED * float(np.quantile(told, USUAL))
    found = zip(samples.places, samples.pace_ms, strict=True)
    return [(launch, number) for (launch, number), pace in found if pace > limit]


def share(samples: Samples) -> float:
    """How many of the row's rounds were slowed, 0 to 1."""
    return len(places(samples)) / len(samples.places) if samples.places else 0.0
