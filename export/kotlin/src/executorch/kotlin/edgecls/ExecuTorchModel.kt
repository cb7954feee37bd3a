package edgecls

import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** A bundle of the target executorch, on the CPU by XNNPACK. */
internal class ExecuTorchModel(bundle: Bundle, threads: Int) : Model {
    private val module = Module.load(bundle.modelFile.path, Module.LOAD_MODE_MMAP, threads)
    private val shape = with(bundle.preprocess) {
        longArrayOf(1, height.toLong(), width.toLong(), if (mode == "L") 1 else 3)
    }

    override fun run(image: ByteArray): FloatArray {
        val tensor = Tensor.fromBlobUnsigned(image, shape)
        return module.forward(EValue.from(tensor))[0].toTensor().dataAsFloatArray
    }

    override fun close() = module.destroy()
}

internal fun openModel(bundle: Bundle, threads: Int): Model = ExecuTorchModel(bundle, threads)
