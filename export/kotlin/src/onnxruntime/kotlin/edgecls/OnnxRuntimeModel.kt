package edgecls

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A bundle of the target onnxruntime, on the CPU. */
internal class OnnxRuntimeModel(bundle: Bundle, threads: Int) : Model {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = OrtSession.SessionOptions().use { options ->
        options.setIntraOpNumThreads(threads)
        options.setInterOpNumThreads(1)
        environment.createSession(bundle.modelFile.path, options)
    }
    private val name = session.inputNames.first()
    private val shape = with(bundle.preprocess) {
        longArrayOf(1, height.toLong(), width.toLong(), if (mode == "L") 1 else 3)
    }

    override fun run(image: ByteArray): FloatArray {
        val buffer = ByteBuffer.allocateDirect(image.size).order(ByteOrder.nativeOrder())
        buffer.put(image)
        buffer.rewind()
        val tensor = OnnxTensor.createTensor(environment, buffer, shape, OnnxJavaType.UINT8)
        return tensor.use { given ->
            session.run(mapOf(name to given)).use { result ->
                val logits = (result[0] as OnnxTensor).floatBuffer
                FloatArray(logits.remaining()).also { logits.get(it) }
            }
        }
    }

    override fun close() = session.close()
}

internal fun openModel(bundle: Bundle, threads: Int): Model = OnnxRuntimeModel(bundle, threads)
