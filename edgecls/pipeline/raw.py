"""Side files of measured rows: every latency and answer, by which two measurements are compared.

Their fields are those of `edgecls.rundir`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls.bench.proof import Proof
from edgecls.bench.samples import Samples
from edgecls.core import Measurement
from edgecls.data.fingerprint import hash_file
from edgecls.rundir import add_arrays


def kept(
    folder: Path, row: Measurement, labels: Sequence[str], proof: Proof, samples: Samples
) -> Measurement:
    """A row of a bundle with its side files in `folder`; one that was not measured has none.

    labels: the model's. Answers are kept where images were asked about.
    """
    if row.measured != "ok":
        return row
    files = {"latencies": latencies(folder, samples)}
    if any(proof.predicted):
        files["predictions"] = _answers(folder, labels, proof)
    return row.with_(files={**row.files, **files})


def latencies(folder: Path, samples: Samples) -> str:
    """Keep every query's latency; returns the side file's sha256."""
    return add_arrays(
        folder,
        {
            "latency_ms": np.asarray(samples.latency_ms, dtype=np.float64),
            "launch": np.asarray(samples.launch, dtype=np.int32),
            "round": np.asarray(samples.round, dtype=np.int32),
        },
    )


def _answers(folder: Path, labels: Sequence[str], proof: Proof) -> str:
    """Keep the answer for each image that could be read; returns the side file's sha256."""
    number = {label: i for i, label in enumerate(labels)}
    pairs = zip(proof.images, proof.predicted, strict=True)
    told = [(image, said) for image, said in pairs if said]
    arrays: dict[str, NDArray[Any]] = {
        "test_classes": np.array([number[image.label] for image, _ in told], np.int64),
        # What is no label of the model is no right answer.
        "test_predicted": np.array([number.get(said, -1) for _, said in told], np.int64),
        "num_classes": np.array(len(labels), np.int64),
    }
    hashes = [bytes.fromhex(hash_file(image.path)) for image, _ in told]
    if all(hashes):
        arrays["test_images"] = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    return add_arrays(folder, arrays)
