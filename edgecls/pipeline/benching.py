"""``edgecls bench``: bundles proven and measured, here and on devices, in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgecls import packed, trust
from edgecls.bench import rows
from edgecls.bench.images import Image, balanced, unknown
from edgecls.bench.proof import Proof, prove
from edgecls.bench.protocol import Protocol, measure
from edgecls.core import Measurement
from edgecls.device.meta import Meta, bundle_sha256
from edgecls.errors import UsageError
from edgecls.pipeline import raw, required
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
    keep: Path | None = None,
) -> list[Measurement]:
    """A row of every bundle on every host, each host's together. The hosts are closed.

    keep: the folder that gets the rows' side files, every latency and answer; None for none.

    Raises TrustError before anything of a bundle runs or travels, DataError for `asked`, and
    UsageError for a bundle that is given twice.
    """
    with ExitStack() as stack:
        for host in hosts:
            stack.callback(host.close)
        _once(bundles)
        folders = [stack.enter_context(packed.opened(bundle)) for bundle in bundles]
        metas = [trust.check(folder, trust_code) for folder in folders]
        if not trust_code and any(getattr(host, "installs", False) for host in hosts):
            for folder, meta in zip(folders, metas, strict=True):
                required.check(folder, meta)
        images = [_images(meta, asked) for meta in metas]
        if asked is not None:
            counts = sorted({len(each) for each in images})
            told = " or ".join(f"{count:,}" for count in counts)
            events.note(f"accuracy on {told} images of {asked.folder}, whatever was trained on")
            for labels in dict.fromkeys(tuple(meta.labels) for meta in metas):
                others = unknown(asked.folder, labels)
                if others:
                    named = ", ".join(map(repr, others[:10])) + (" …" if len(others) > 10 else "")
                    events.note(f"left out, for the model has no such classes: {named}")
        jobs = [
            _Job(bundle, folder, meta, host, drawn)
            for host in hosts
            for bundle, folder, meta, drawn in zip(bundles, folders, metas, images, strict=True)
        ]
        proofs = []
        with events.stage("proving") as progress:
            for number, job in enumerate(jobs):
                name = f"{job.meta.target} {job.meta.precision} on {job.host.name}"
                progress.step(number, len(jobs), name)
                proof = prove(job.folder, job.host, job.drawn, protocol.threads, trust_code)
                proofs.append(proof)
                unread = sum(not label for label in proof.predicted)
                if unread:
                    events.note(f"{name}: {unread} of {len(job.drawn)} images cannot be read there")
        able = [i for i, proof in enumerate(proofs) if not proof.fell_out.error]
        with events.stage("measuring") as progress:
            places = [(jobs[i].folder, jobs[i].host) for i in able]
            found = dict(zip(able, measure(places, protocol, progress, trust_code), strict=True))
        samples = [found.get(i, proof.fell_out) for i, proof in enumerate(proofs)]
        proven = [_row(job, proof) for job, proof in zip(jobs, proofs, strict=True)]
        whole = rows.measured(_told_apart(proven), samples, protocol)
        if keep is None:
            return whole
        return [
            raw.kept(keep, row, job.meta.labels, proof, each)
            for row, job, proof, each in zip(whole, jobs, proofs, samples, strict=True)
        ]


def _once(bundles: Sequence[Path]) -> None:
    again = [path for path, n in Counter(path.resolve() for path in bundles).items() if n > 1]
    if again:
        raise UsageError(f"{again[0]} is given twice", "name each bundle once")


def _told_apart(found: Sequence[Measurement]) -> list[Measurement]:
    """Rows of bundles of the same model, target and precision, named by their paths too."""
    count = Counter((row.name, row.device) for row in found)
    return [
        row.with_(model=f"{row.model} ({row.bundle})") if count[row.name, row.device] > 1 else row
        for row in found
    ]


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
