"""The figures of a finished demo against what is claimed of it.

The physics: the student needs about a tenth of the teacher's multiply-accumulates, and a runtime
spares PyTorch's dispatch, which is most of a small net's time; so the recommended row should be
well over 8 times as fast as the teacher in PyTorch and 3 times as fast as itself there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edgecls.core import Measurement, read_results


def find(rows: list[Measurement], model: str, target: str) -> Measurement:
    """The fp32 row of a model on a target."""
    return next(r for r in rows if (r.model, r.target, r.precision) == (model, target, "fp32"))


def figures(run: Path) -> dict[str, tuple[float, bool]]:
    """Claim -> (figure, whether it holds)."""
    rows = read_results(run / "results.jsonl")
    teacher, student = find(rows, "teacher", "torch"), find(rows, "student", "torch")
    best = next(row for row in rows if row.recommended)
    measured = [row for row in rows if row.measured == "ok"]
    fp32 = [row for row in measured if row.precision == "fp32"]
    int8 = [row for row in measured if row.precision == "int8"]
    weights = (run / "models/teacher/model.safetensors").stat().st_size
    assert teacher.top1 and teacher.latency_p50_ms and student.latency_p50_ms
    assert best.latency_p50_ms and best.size_bytes and best.top1
    drop = max(teacher.top1 - (row.top1 or 0) for row in int8)
    difference = max(row.max_rel_logit_diff or 0 for row in fp32)
    agreement = min(row.top1_agreement or 0 for row in fp32)
    faster, itself = teacher.latency_p50_ms / best.latency_p50_ms, student.latency_p50_ms
    return {
        "rows": (len(rows), len(rows) >= 10),
        "teacher_top1": (teacher.top1, teacher.top1 >= 0.985),
        "fp32_max_rel_logit_diff": (difference, difference <= 1e-3),
        "fp32_top1_agreement": (agreement, agreement >= 0.999),
        "int8_worst_drop": (drop, drop <= 0.01),
        "recommended_times_faster_than_teacher_in_pytorch": (faster, faster >= 8),
        "recommended_times_faster_than_student_in_pytorch": (
            itself / best.latency_p50_ms,
            itself / best.latency_p50_ms >= 3,
        ),
        "recommended_times_smaller_than_teacher": (
            weights / best.size_bytes,
            weights / best.size_bytes >= 8,
        ),
        "recommended_drop": (teacher.top1 - best.top1, teacher.top1 - best.top1 <= 0.01),
    }


def main() -> None:
    """Print every figure, then all as one JSON line."""
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")
    found = figures(run)
    for name, (value, holds) in found.items():
        print(f"{'holds' if holds else 'FAILS'}  {name} = {value:.4g}")
    print(json.dumps({name: value for name, (value, _) in found.items()}))
    sys.exit(0 if all(holds for _, holds in found.values()) else 1)


if __name__ == "__main__":
    main()
