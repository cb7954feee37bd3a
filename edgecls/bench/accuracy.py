"""Accuracy of a bundle, in a run of its own, with the very artifact that is shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecls.core import Classes, Images, Logits, Measurement
from edgecls.device import golden, stats
from edgecls.errors import EdgeclsError, RunnerError
from edgecls.remote.host import Host
from edgecls.remote.local import HERE
from edgecls.runner import Runner


def logits_of(
    bundle: Path,
    images: Mapping[str, Images],
    scratch: Path,
    threads: int = 0,
    trust_code: bool = False,
    host: Host = HERE,
) -> dict[str, Logits]:
    """A bundle's logits of each split. scratch: an existing folder for the arrays on the way.

    Raises RunnerError where the bundle fails its own verification or ends.
    """
    found = {}
    with Runner(bundle, threads, trust_code, host) as runner:
        verified = runner.ask({"do": "verify"})
        if not verified["ok"]:
            raise RunnerError(
                f"{runner.name} fails its own verification: {verified}", "export it again"
            )
        for split, array in images.items():
            found[split] = runner.infer(array, scratch)
    return found


def with_accuracy(
    row: Measurement,
    logits: Mapping[str, Logits],
    reference: Mapping[str, Logits],
    classes: Mapping[str, Classes],
) -> Measurement:
    """`row` with its accuracy on ``validation`` and ``test``, and how near it is to its source.

    reference: the source's own logits. Raises EdgeclsError for logits that are not finite.
    """
    val_hits = logits["validation"].argmax(1) == np.asarray(classes["validation"])
    hits = logits["test"].argmax(1) == np.asarray(classes["test"])
    val_low, val_high = stats.wilson(int(val_hits.sum()), len(val_hits))
    low, high = stats.wilson(int(hits.sum()), len(hits))
    difference = golden.max_relative_difference(logits["test"], reference["test"])
    if not np.isfinite(difference):
        raise EdgeclsError(f"{row.name}: its logits are not finite", "report this net and target")
    return row.with_(
        val_top1=float(val_hits.mean()),
        val_top1_low=val_low,
        val_top1_high=val_high,
        top1=float(hits.mean()),
        top1_low=low,
        top1_high=high,
        num_images=len(hits),
        max_rel_logit_diff=difference,
        top1_agreement=golden.agreement(logits["test"], reference["test"]),
    )


def with_significance(
    rows: Sequence[Measurement],
    logits: Sequence[Mapping[str, Logits]],
    reference: Mapping[str, Logits],
    classes: Mapping[str, Classes],
) -> list[Measurement]:
    """`rows` with the p-value of their difference from the reference model on test.

    logits: of each row, empty where it was not scored. McNemar's test of the same images, corrected
    by Holm for the number of rows that were scored.
    """
    truth = np.asarray(classes["test"])
    reference_hits = reference["test"].argmax(1) == truth
    p_values = []
    for answer in logits:
        if answer:
            hits = answer["test"].argmax(1) == truth
            better, worse = (hits & ~reference_hits).sum(), (~hits & reference_hits).sum()
            p_values.append(stats.mcnemar(int(better), int(worse)))
    corrected = iter(stats.holm(p_values))
    return [
        row.with_(p_value=next(corrected)) if answer else row
        for row, answer in zip(rows, logits, strict=True)
    ]
