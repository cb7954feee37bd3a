"""What a checkpoint costs is measured on its bundle, beside another; told early where it cannot."""

from __future__ import annotations

import pytest

from edgecls import targets
from edgecls.core import Availability, Outcome
from edgecls.errors import EdgeclsError, UsageError
from edgecls.methods.prune import METHOD
from edgecls.pipeline import pricing
from edgecls.recipe import BenchSection

QUICK = BenchSection(launches=1, rounds=2, queries=20, seconds=0)


def options(**given):
    return METHOD.Options(model="m", **given)


def test_two_checkpoints_are_measured_in_turn_and_the_second_is_converted_once(
    tiny_checkpoint, tmp_path
):
    cost = pricing.pricer(QUICK, tmp_path)
    first = cost(tiny_checkpoint, tiny_checkpoint, "onnxruntime", "fp32")
    assert first.ms > 0 and first.beside_ms > 0
    assert first.ratio > 0
    (kept,) = tmp_path.iterdir()
    made = (kept / "meta.json").stat().st_mtime_ns
    cost(tiny_checkpoint, tiny_checkpoint, "onnxruntime", "fp32")
    assert [(kept / "meta.json").stat().st_mtime_ns] == [made]
    assert list(tmp_path.iterdir()) == [kept]


def test_a_spell_that_slows_both_for_a_while_does_not_bend_the_ratio(
    tiny_checkpoint, tmp_path, monkeypatch
):
    from edgecls.bench.samples import Samples

    def seen(*p50s):
        found = Samples()
        for number, p50 in enumerate(p50s):
            found.take_round(0, number, {"samples_ms": [p50] * 3}, is_first=False)
        return found

    # The spell began between the two: one pair of rounds is torn by it.
    rounds = [seen(1.0, 1.0, 2.0, 2.0, 2.0), seen(2.0, 4.0, 4.0, 4.0, 4.0)]
    monkeypatch.setattr(pricing, "measure", lambda *a: rounds)
    found = pricing.pricer(QUICK, tmp_path)(tiny_checkpoint, tiny_checkpoint, "onnxruntime", "fp32")
    assert (found.ms, found.beside_ms, found.ratio) == (2.0, 4.0, 0.5)


def test_a_bundle_that_fails_is_told(tiny_checkpoint, tmp_path, monkeypatch):
    from edgecls.bench.protocol import Samples

    broken = Samples(error="it crashed", fix="mend it")
    monkeypatch.setattr(pricing, "measure", lambda *a: [broken, Samples(latency_ms=[1.0])])
    with pytest.raises(EdgeclsError, match="cannot be measured: it crashed"):
        pricing.pricer(QUICK, tmp_path)(tiny_checkpoint, tiny_checkpoint, "onnxruntime", "fp32")


def test_only_what_aims_at_a_latency_depends_on_the_machine():
    assert pricing.inputs(options(macs_ratio=2), QUICK) == {}
    found = pricing.inputs(options(latency_ratio=0.5), QUICK)["priced"]
    assert found["target"][0] == "onnxruntime" and found["hardware"] and found["bench"]
    from edgecls.methods.train import METHOD as TRAIN

    assert pricing.inputs(TRAIN.Options(), QUICK) == {}


def test_a_target_that_cannot_be_measured_here_is_told_first(monkeypatch):
    pricing.check(options(macs_ratio=2))
    pricing.check(options(latency_ratio=0.5))
    with pytest.raises(UsageError, match="unknown target: 'openvin'"):
        pricing.check(options(latency_ratio=0.5, latency_target="openvin"))
    with pytest.raises(UsageError, match="torch has no int8"):
        pricing.check(options(latency_ms=1, latency_target="torch", latency_precision="int8"))
    away = Availability(Outcome("ok"), Outcome("ok"), Outcome("skipped", "no GPU", "get one"))
    target = targets.get("openvino")
    monkeypatch.setattr(type(target), "availability", lambda self: away)
    with pytest.raises(UsageError, match="cannot be measured here: no GPU") as caught:
        pricing.check(options(latency_ms=1, latency_target="openvino"))
    assert caught.value.fix == "get one"
