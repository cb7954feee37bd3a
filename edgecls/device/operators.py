"""Where a query's time goes: mean milliseconds of every operator, by the runtime's own profiler.

A runner that can has ``profile(images, queries) -> list`` of ``{"name", "type", "ms"}`` in the
order of execution, in a session of its own, so that what is measured otherwise does not change.
It asks WARMUP queries before those that count.
"""

from typing import Any, Dict

import numpy as np

from .batches import at_once
from .errors import EdgeclsError

DEFAULT, MOST, WARMUP = 50, 1000, 10


def answer(runner: Any, tensors: "np.ndarray[Any, Any]", queries: Any = None) -> Dict[str, Any]:
    """The answer to ``profile``; `serve` describes it. queries: as the request has it."""
    queries = DEFAULT if queries is None else queries
    if isinstance(queries, bool) or not isinstance(queries, int) or not 1 <= queries <= MOST:
        raise EdgeclsError(
            "'queries' is {!r}".format(queries), "give a number from 1 to {}".format(MOST)
        )
    name = runner.about()["runtime"].split()[0]
    if not hasattr(runner, "profile"):
        raise EdgeclsError(
            "the kit of {} has no profiler".format(name),
            "ask a bundle of the same model for onnxruntime or openvino",
        )
    images = tensors[np.arange(at_once(runner)) % len(tensors)]
    return {
        "operators": runner.profile(images, queries),
        "queries": queries,
        "profiler": name,
    }
