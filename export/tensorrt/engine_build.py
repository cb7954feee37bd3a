"""From the bundle's graph to a serialized engine, by the calls that TensorRT 10 and 11 share."""

from harness.errors import EdgeclsError

# The releases that have a DLA to build for, in NVIDIA's "Working with DLA".
DLA_RELEASES = "10.0 to 10.7, and 11.4.1 or newer on a Jetson AGX Orin with JetPack 7.2.2"


def engine(trt, logger, graph, timings, profile=None, dla_core=None):
    """``(engine's bytes, timing cache's bytes, what is to be told of it)``.

    profile: ``{"min", "opt", "max"}`` of a dynamic batch. dla_core: None for the GPU.
    Types come from the graph; TF32 would be another precision.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(strongly_typed(trt))
    _parse(trt, logger, network, graph, dla_core)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if profile is not None:
        config.add_optimization_profile(_profile(builder, network, profile))
    told = {} if dla_core is None else _on_dla(trt, builder, config, network, dla_core)
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, False):  # of another driver
        config.set_timing_cache(config.create_timing_cache(b""), False)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise EdgeclsError(
            "TensorRT {} cannot build an engine of {}".format(trt.__version__, graph),
            "see its messages above; where memory is short, end other programs",
        )
    return bytes(built), bytes(config.get_timing_cache().serialize()), told


def strongly_typed(trt):
    """The flags of a network whose types are its graph's: asked for in 10, always so in 11."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt, logger, network, graph, dla_core):
    parser = trt.OnnxParser(network, logger)
    adjust = getattr(getattr(trt, "OnnxParserFlag", None), "ADJUST_FOR_DLA", None)
    if dla_core is not None and adjust is not None:
        parser.set_flag(adjust)
    with open(graph, "rb") as stream:
        data = stream.read()
    if not parser.parse(data):
        said = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EdgeclsError(
            "TensorRT {} refuses {}: {}".format(trt.__version__, graph, "; ".join(said)),
            "install a newer TensorRT (on a Jetson: a newer JetPack), or export fp16",
        )


def _profile(builder, network, sizes):
    """The batches that an engine of a dynamic graph takes, and the one that it is quickest at."""
    image = network.get_input(0)
    shape = tuple(image.shape)[1:]
    profile = builder.create_optimization_profile()
    profile.set_shape(image.name, *((sizes[name], *shape) for name in ("min", "opt", "max")))
    return profile


def _on_dla(trt, builder, config, network, core):
    """Set `config` for a DLA core; layers that it has not go to the GPU. Says how many it has."""
    cores = builder.num_DLA_cores
    if not cores:
        raise EdgeclsError(
            "TensorRT {} finds no DLA here: it is in TensorRT {}; a Jetson Thor and an Orin Nano "
            "have none".format(trt.__version__, DLA_RELEASES),
            "export --target tensorrt for the GPU",
        )
    if not 0 <= core < cores:
        raise EdgeclsError(
            "there is no DLA core {}: this device has {}".format(core, cores),
            "choose one from 0 to {}: EDGECLS_DLA_CORE=0".format(cores - 1),
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    able = sum(1 for layer in layers if config.can_run_on_DLA(layer))
    if not able:
        raise EdgeclsError(
            "no layer of this net runs on the DLA", "export --target tensorrt for the GPU"
        )
    return {"layers": len(layers), "layers_on_dla": able}
