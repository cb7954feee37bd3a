package edgecls

import org.tensorflow.lite.Interpreter
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A bundle of the target litert, on the CPU by XNNPACK. */
internal class LiteRtModel(bundle: Bundle, threads: Int) : Model {
    private val interpreter = Interpreter(
        bundle.modelFile,
        Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true),
    )
    private val input = ByteBuffer.allocateDirect(interpreter.getInputTensor(0).numBytes())
        .order(ByteOrder.nativeOrder())
    private val output = Array(1) { FloatArray(bundle.labels.size) }

    override fun run(image: ByteArray): FloatArray {
        input.rewind()
        input.put(image)
        input.rewind()
        interpreter.run(input, output)
        return output[0].copyOf()
    }

    override fun close() = interpreter.close()
}

internal fun openModel(bundle: Bundle, threads: Int): Model = LiteRtModel(bundle, threads)
