"""Runs this bundle with OpenVINO on the device that it was made for. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

CPU = "CPU"


class Runner:
    """A compiled model on one device, in the precision that the bundle names."""

    def __init__(self, folder, meta, threads):
        import openvino
        from harness import overflow
        from harness.batches import DYNAMIC, in_batches

        self.openvino = openvino
        self.version = openvino.__version__
        self.threads = threads
        device = meta.details.get("device", CPU)
        core = openvino.Core()
        check_device(core, device)
        hint = floats_in(meta.precision, device)
        # Without the instructions OpenVINO would compute in f32, and not say so.
        if hint == "bf16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            raise EdgeclsError("this CPU has no bf16", "export fp32 or int8 for it")
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if device == CPU:
            settings["NUM_STREAMS"] = "1"
        if device == CPU and threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        path = os.path.join(folder, meta.model_files[0])
        self.compile = lambda **more: core.compile_model(path, device, dict(settings, **more))
        self.model = self.compile()
        self.device = list(self.model.get_property("EXECUTION_DEVICES"))
        if [name.split(".")[0] for name in self.device] != [device]:
            raise EdgeclsError("OpenVINO runs on {} instead of {}".format(self.device, device))
        fixed = self.model.inputs[0].partial_shape[0]
        self.batch = fixed.get_length() if fixed.is_static else DYNAMIC
        self.input_shape = tuple(meta.input_shape[1:])
        self.request = self.model.create_infer_request()
        self.given = None
        self.in_batches = in_batches
        self.warning = overflow.warning(meta.scheme) if device == CPU else ""
        if self.warning:
            sys.stderr.write("warning: {}\n".format(self.warning))

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        # Pixels go into one tensor that stays bound: to bind another costs more than the copy.
        if self.given is None or len(self.given) != len(images):
            self.given = self._bound(self.request, len(images))
        self.given[...] = checked(images, self.input_shape)
        self.request.infer(share_outputs=True)
        return self.request.get_output_tensor().data.copy()

    def _bound(self, request, count):
        """The pixels of `request`'s input tensor, of so many images."""
        if self.batch != count:  # it takes any number, and has no tensor before it knows
            shape = self.openvino.Shape([count, *self.input_shape])
            request.set_input_tensor(self.openvino.Tensor(self.openvino.Type.u8, shape))
        return request.get_input_tensor().data

    def profile(self, images, queries):
        """Mean milliseconds of every operator of a query, by a model compiled to count them."""
        from harness.operators import WARMUP

        model = self.compile(PERF_COUNT="YES")
        request = model.create_infer_request()
        self._bound(request, len(images))[...] = checked(images, self.input_shape)
        told = []
        for _ in range(WARMUP + queries):
            request.infer(share_outputs=True)
            told.append([*map(operator, executed(request.profiling_info))])
        return mean_times(told, queries, is_running_mean=self.device[0].startswith(CPU))

    def about(self):
        told = {"warning": self.warning} if self.warning else {}
        return {
            "runtime": "openvino " + self.version,
            "provider": ",".join(self.device),
            "precision": self.model.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
            "batch": self.batch,
            "threads": self.threads,
            **told,
        }


def check_device(core, device):
    """Raise EdgeclsError where OpenVINO does not see `device`."""
    seen = core.available_devices
    if not any(name.split(".")[0] == device for name in seen):
        raise EdgeclsError(
            "OpenVINO sees no {} here, only {}".format(device, ", ".join(seen) or "nothing"),
            "install its driver, or export --target openvino for the CPU",
        )


def floats_in(precision, device):
    """What floats are computed in; int8 layers stay int8.

    Said always: on its own OpenVINO goes to bf16 or fp16 where the device is quicker so.
    """
    if precision == "bf16":
        return "bf16"
    return "f32" if device == CPU else "f16"


def checked(images, shape):
    """`images`, if they are of the model's shape: NumPy would stretch others to it."""
    if images.shape[1:] != shape:
        raise EdgeclsError("images are {}, not {}".format(list(images.shape[1:]), list(shape)))
    return images


def executed(infos):
    """Without what was fused into another operator, or computed once, ahead."""
    return [info for info in infos if info.status.name == "EXECUTED"]


def operator(info):
    return {
        "name": info.node_name,
        "type": info.node_type,
        "ms": info.real_time.total_seconds() * 1e3,
    }


def mean_times(told, queries, is_running_mean):
    """The operators of the last `queries` queries. told: what was told after each of all.

    OpenVINO's CPU tells the mean of all queries since the model was compiled, other devices the
    last query's own time; both in whole microseconds.
    """
    count, last = len(told), told[-1]
    if not is_running_mean:
        rows = told[-queries:]
        return [
            dict(each, ms=sum(row[index]["ms"] for row in rows) / queries)
            for index, each in enumerate(last)
        ]
    before = {each["name"]: each["ms"] for each in told[count - queries - 1]}
    return [
        dict(
            each,
            ms=max(0.0, count * each["ms"] - (count - queries) * before.get(each["name"], 0.0))
            / queries,
        )
        for each in last
    ]


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
