package edgecls

import android.content.Context
import android.graphics.Bitmap
import kotlin.math.exp

/** What a runtime does; each flavour of this library brings one, made by [openModel]. */
interface Model : AutoCloseable {
    /** uint8[1, H, W, C] to its K logits. */
    fun run(image: ByteArray): FloatArray
}

/** label: null where the confidence is below the bundle's threshold. */
data class Prediction(
    val label: String?,
    val confidence: Double,
    val top: List<Pair<String, Double>>,
)

/** A bundle of the app: `Classifier.open(context, "flowers").use { it.classify(bytes) }`. */
class Classifier private constructor(
    val bundle: Bundle,
    private val model: Model,
) : AutoCloseable {
    fun classify(encoded: ByteArray): Prediction = decide(Images.load(encoded, bundle.preprocess))

    fun classify(upright: Bitmap): Prediction = decide(Images.tensor(upright, bundle.preprocess))

    override fun close() = model.close()

    private fun decide(image: ByteArray): Prediction {
        val scaled = model.run(image).map { it / bundle.temperature }
        val highest = scaled.max()
        val powers = scaled.map { exp(it - highest) }
        val total = powers.sum()
        val top = bundle.labels.zip(powers) { label, power -> label to power / total }
            .sortedByDescending { it.second }
            .take(5)
        val (label, confidence) = top.first()
        return Prediction(label.takeIf { confidence >= bundle.rejectThreshold }, confidence, top)
    }

    companion object {
        fun open(context: Context, folder: String, threads: Int = 1): Classifier {
            val bundle = Bundle.load(context.assets, folder, context.cacheDir)
            return Classifier(bundle, openModel(bundle, threads))
        }
    }
}
