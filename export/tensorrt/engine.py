"""The engine of this bundle's graph, built on this very device and kept in the user's cache.

An engine fits one version of TensorRT and one GPU. So it carries a stamp that says what it was
built by, for and of, which is compared before TensorRT is given a byte of it. A timing cache
beside it shortens the next build.
"""

import hashlib
import json
import os
import re
import sys
import time

from harness.errors import EdgeclsError

MAGIC = b"edgecls engine "
CACHE = "XDG_CACHE_HOME"


def folder():
    """Where engines are kept: ``edgecls`` in the user's cache folder."""
    home = os.environ.get(CACHE, "")
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "edgecls")


class Engines:
    """The engines of one graph on one device.

    trt: the module ``tensorrt``; build: ``(logger, timing cache's bytes)`` to
    ``(engine's bytes, timing cache's bytes, what is to be told of it)``; variant: what beside the
    bundle, the GPU and the version makes an engine another one.
    """

    def __init__(self, trt, cuda, bundle_sha256, build, variant=""):
        self.trt, self.cuda, self._build = trt, cuda, build
        machine = "tensorrt-{}-{}-sm{}{}".format(
            trt.__version__, _slug(cuda.name), cuda.sm, "-" + _slug(variant) if variant else ""
        )
        self.path = os.path.join(folder(), "{}-{}.engine".format(bundle_sha256, machine))
        self._timings = os.path.join(folder(), machine + ".timing")
        # What an engine has to be to be loaded here.
        self.stamp = {
            "tensorrt": trt.__version__,
            "compute_capability": cuda.sm,
            "gpu": cuda.name,
            "bundle": bundle_sha256,
            "variant": variant,
        }
        self.logger = trt.Logger(trt.Logger.WARNING)
        self.runtime = trt.Runtime(self.logger)

    def load(self):
        """``(engine, what its stamp tells, seconds of its build)``; None where it was kept.

        Raises EdgeclsError for an engine of another version, GPU or bundle: it is not loaded.
        """
        kept = self._kept()
        if kept is not None:
            stamp, data = kept
            self._refuse(stamp)
            engine = self.runtime.deserialize_cuda_engine(data)
            if engine is not None:
                return engine, stamp, None
        return self.build()

    def build(self):
        """The same, built anew, whatever is kept."""
        sys.stderr.write(
            "building the engine with TensorRT {} for {}: once, it can take minutes\n".format(
                self.trt.__version__, self.cuda.name
            )
        )
        began = time.perf_counter()
        data, timings, told = self._build(self.logger, _read(self._timings))
        seconds = time.perf_counter() - began
        stamp = dict(self.stamp, **told)
        _keep(self._timings, timings)
        _keep(self.path, stamped(stamp, data))
        engine = self.runtime.deserialize_cuda_engine(data)
        if engine is None:
            raise EdgeclsError(
                "TensorRT {} does not load the engine that it built".format(self.trt.__version__),
                "see its messages above",
            )
        return engine, stamp, seconds

    def is_ready(self):
        """Whether an engine that fits is kept."""
        kept = self._kept()
        return kept is not None and not self._differences(kept[0])

    def _kept(self):
        """The stamp and the bytes of the engine that is kept; None for none, or a damaged one."""
        whole = _read(self.path)
        found = unstamped(whole)
        if whole and found is None:
            sys.stderr.write("{} is damaged: it is built again\n".format(self.path))
        return found

    def _differences(self, stamp):
        return [name for name, value in self.stamp.items() if stamp.get(name) != value]

    def _refuse(self, stamp):
        wrong = self._differences(stamp)
        if wrong:
            raise EdgeclsError(
                "{} is another device's engine: {}".format(
                    self.path,
                    "; ".join(
                        "its {} is {}, here it is {}".format(
                            name.replace("_", " "), stamp.get(name), self.stamp[name]
                        )
                        for name in wrong
                    ),
                ),
                "build this device's own: {} {} --prepare".format(
                    sys.executable, os.path.join(_here(), "infer.py")
                ),
            )


def stamped(stamp, data):
    """An engine with its stamp in front: one line of JSON that also holds its hash."""
    line = dict(stamp, sha256=hashlib.sha256(data).hexdigest())
    return MAGIC + json.dumps(line, sort_keys=True).encode("ascii") + b"\n" + data


def unstamped(whole):
    """``(stamp, engine)``; None where the stamp or the engine is damaged."""
    line, _, data = whole.partition(b"\n")
    if not line.startswith(MAGIC):
        return None
    try:
        stamp = json.loads(line[len(MAGIC) :].decode("ascii"))
    except ValueError:
        return None
    if not isinstance(stamp, dict) or stamp.get("sha256") != hashlib.sha256(data).hexdigest():
        return None
    return stamp, data


def _here():
    return os.path.dirname(os.path.abspath(__file__))


def _slug(name):
    return re.sub("[^A-Za-z0-9]+", "-", name).strip("-")


def _read(path):
    """A file's bytes, none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _keep(path, data):
    """Write beside and rename; a device without a place to write builds every time."""
    beside = "{}.{}.part".format(path, os.getpid())
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(beside, "wb") as stream:
            stream.write(data)
        os.replace(beside, path)
    except OSError as error:
        sys.stderr.write("{} is not kept: {}\n".format(path, error))
