"""``edgecls bench``: bundles proven and measured, here and on devices, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecls import trust
from edgecls.bench import rows
from edgecls.bench.images import Image, balanced
from edgecls.bench.proof import Proof, prove
from edgecls.bench.protocol import Protocol, measure
from edgecls.core import Measurement
from edgecls.device.meta import Meta, bundle_sha256
from edgecls.pipeline.events import Events
from edgecls.pipeline.package import described
from edgecls.remote.host import Host
from edgecls.remote.local import HERE


@dataclass(frozen=True)
class Asked:
    """Images that every bundle is asked about on its host. count: at most so many."""

    folder: Path
    count: int = 500


def bench(
    bundles: Sequence[Path],
    protocol: Protocol,
    trust_code: bool,
    events: Events,
    hosts: Sequence[Host] = (HERE,),
    asked: Asked | None = None,
) -> list[Measurement]:
    """A row of every bundle on every host, each host's together. The hosts are closed.

    Raises TrustError before anything of a bundle runs or travels, and DataError for `asked`.
    """
    try:
        metas = [trust.check(bundle, trust_code) for bundle in bundles]
        images = [_images(meta, asked) for meta in metas]
        jobs = [
            (bundle, meta, host, drawn)
            for host in hosts
            for bundle, meta, drawn in zip(bundles, metas, images, strict=True)
        ]
        proofs = []
        with events.stage("proving") as progress:
            for number, (bundle, meta, host, drawn) in enumerate(jobs):
                progress.step(number, len(jobs), f"{meta.target} {meta.precision} on {host.name}")
                proofs.append(prove(bundle, host, drawn, protocol.threads, trust_code))
        able = [i for i, proof in enumerate(proofs) if not proof.fell_out.error]
        with events.stage("measuring") as progress:
            places = [(jobs[i][0], jobs[i][2]) for i in able]
            measured = dict(zip(able, measure(places, protocol, progress, trust_code), strict=True))
    finally:
        for host in hosts:
            host.close()
    return [
        rows.with_latency(
            _row(bundle, meta, host, proofs[i]), measured.get(i, proofs[i].fell_out), protocol
        )
        for i, (bundle, meta, host, _) in enumerate(jobs)
    ]


def _images(meta: Meta, asked: Asked | None) -> list[Image]:
    return [] if asked is None else balanced(asked.folder, meta.labels, asked.count)


def _row(bundle: Path, meta: Meta, host: Host, proof: Proof) -> Measurement:
    row = Measurement(
        model=meta.model,
        target=meta.target,
        precision=meta.precision,
        converted="ok",
        compiled="ok",
        measured="skipped",
        **described(meta),
        size_bytes=sum((bundle / name).stat().st_size for name in meta.model_files),
        bundle=str(bundle),
        bundle_sha256=bundle_sha256(str(bundle)),
        device=host.name,
    )
    return proof.on(row)
