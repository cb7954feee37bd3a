"""``edgecls bench``: bundles proven and measured, here and on devices, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgecls import packed, trust
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


@dataclass(frozen=True)
class _Job:
    """A bundle on a host. folder: where it lies, unpacked; drawn: the images it is asked about."""

    bundle: Path
    folder: Path
    meta: Meta
    host: Host
    drawn: Sequence[Image]


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
    with ExitStack() as stack:
        for host in hosts:
            stack.callback(host.close)
        folders = [stack.enter_context(packed.opened(bundle)) for bundle in bundles]
        metas = [trust.check(folder, trust_code) for folder in folders]
        images = [_images(meta, asked) for meta in metas]
        jobs = [
            _Job(bundle, folder, meta, host, drawn)
            for host in hosts
            for bundle, folder, meta, drawn in zip(bundles, folders, metas, images, strict=True)
        ]
        proofs = []
        with events.stage("proving") as progress:
            for number, job in enumerate(jobs):
                meta, host = job.meta, job.host
                progress.step(number, len(jobs), f"{meta.target} {meta.precision} on {host.name}")
                proofs.append(prove(job.folder, host, job.drawn, protocol.threads, trust_code))
        able = [i for i, proof in enumerate(proofs) if not proof.fell_out.error]
        with events.stage("measuring") as progress:
            places = [(jobs[i].folder, jobs[i].host) for i in able]
            found = dict(zip(able, measure(places, protocol, progress, trust_code), strict=True))
        samples = [found.get(i, proof.fell_out) for i, proof in enumerate(proofs)]
        proven = [_row(job, proof) for job, proof in zip(jobs, proofs, strict=True)]
        return rows.measured(proven, samples, protocol)


def _images(meta: Meta, asked: Asked | None) -> list[Image]:
    return [] if asked is None else balanced(asked.folder, meta.labels, asked.count)


def _row(job: _Job, proof: Proof) -> Measurement:
    meta, folder = job.meta, job.folder
    row = Measurement(
        model=meta.model,
        target=meta.target,
        precision=meta.precision,
        converted="ok",
        compiled="ok",
        measured="skipped",
        **described(meta),
        size_bytes=sum((folder / name).stat().st_size for name in meta.model_files),
        bundle=str(job.bundle),
        bundle_sha256=bundle_sha256(str(folder)),
        device=job.host.name,
    )
    return proof.on(row)
