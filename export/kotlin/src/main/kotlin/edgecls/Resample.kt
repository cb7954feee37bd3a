package edgecls

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/** uint8[height, width, channels], contiguous. */
class Pixels(val width: Int, val height: Int, val channels: Int, val values: ByteArray) {
    constructor(width: Int, height: Int, channels: Int) :
        this(width, height, channels, ByteArray(width * height * channels))
}

/**
 * Resizing with Pillow's arithmetic, which training used: Android's own scaling looks at few of the
 * source's pixels, and the model would see other images than it was trained on.
 */
object Resample {
    private const val PRECISION_BITS = 22

    private class Footprint(val first: Int, val weights: IntArray)

    fun resize(source: Pixels, width: Int, height: Int, interpolation: String): Pixels {
        if (source.width == width && source.height == height) return source
        if (interpolation == "nearest") return nearest(source, width, height)
        val wide = if (source.width == width) source else across(source, width, interpolation)
        return if (wide.height == height) wide else down(wide, height, interpolation)
    }

    private fun support(interpolation: String): Double = when (interpolation) {
        "bilinear" -> 1.0
        "bicubic" -> 2.0
        "lanczos" -> 3.0
        else -> throw BundleException("unknown interpolation: $interpolation")
    }

    private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(x * PI) / (x * PI)

    private fun weight(interpolation: String, x: Double): Double {
        val size = abs(x)
        return when (interpolation) {
            "bilinear" -> max(0.0, 1.0 - size)
            "lanczos" -> if (x >= -3.0 && x < 3.0) sinc(x) * sinc(x / 3) else 0.0
            else -> when {
                size < 1.0 -> (1.5 * size - 2.5) * size * size + 1
                size < 2.0 -> (((size - 5) * size + 8) * size - 4) * -0.5
                else -> 0.0
            }
        }
    }

    private fun footprints(from: Int, to: Int, interpolation: String): List<Footprint> {
        val scale = from.toDouble() / to
        val filterScale = max(scale, 1.0)
        val reach = support(interpolation) * filterScale
        val step = 1.0 / filterScale
        return List(to) { index ->
            val centre = (index + 0.5) * scale
            val first = max(0, (centre - reach + 0.5).toInt())
            val end = min(from, (centre + reach + 0.5).toInt())
            val exact = DoubleArray(end - first) {
                weight(interpolation, (it + first - centre + 0.5) * step)
            }
            val total = exact.sum()
            val fixed = IntArray(exact.size) {
                val share = if (total != 0.0) exact[it] / total else exact[it]
                (share * (1 shl PRECISION_BITS) + if (share < 0) -0.5 else 0.5).toInt()
            }
            Footprint(first, fixed)
        }
    }

    private fun clip8(sum: Int): Byte = (sum shr PRECISION_BITS).coerceIn(0, 255).toByte()

    private fun across(source: Pixels, width: Int, interpolation: String): Pixels {
        val result = Pixels(width, source.height, source.channels)
        val parts = footprints(source.width, width, interpolation)
        var out = 0
        for (row in 0 until source.height) {
            for (part in parts) {
                for (channel in 0 until source.channels) {
                    var at = (row * source.width + part.first) * source.channels + channel
                    var sum = 1 shl (PRECISION_BITS - 1)
                    for (each in part.weights) {
                        sum += (source.values[at].toInt() and 255) * each
                        at += source.channels
                    }
                    result.values[out++] = clip8(sum)
                }
            }
        }
        return result
    }

    private fun down(source: Pixels, height: Int, interpolation: String): Pixels {
        val result = Pixels(source.width, height, source.channels)
        val rowValues = source.width * source.channels
        var out = 0
        for (part in footprints(source.height, height, interpolation)) {
            for (column in 0 until rowValues) {
                var at = part.first * rowValues + column
                var sum = 1 shl (PRECISION_BITS - 1)
                for (each in part.weights) {
                    sum += (source.values[at].toInt() and 255) * each
                    at += rowValues
                }
                result.values[out++] = clip8(sum)
            }
        }
        return result
    }

    private fun nearest(source: Pixels, width: Int, height: Int): Pixels {
        val result = Pixels(width, height, source.channels)
        val rows = places(source.height, height)
        val columns = places(source.width, width)
        var out = 0
        for (row in rows) {
            for (column in columns) {
                val at = (row * source.width + column) * source.channels
                source.values.copyInto(result.values, out, at, at + source.channels)
                out += source.channels
            }
        }
        return result
    }

    private fun places(from: Int, to: Int): IntArray {
        val scale = from.toDouble() / to
        var place = scale * 0.5
        return IntArray(to) {
            val index = min(place.toInt(), from - 1)
            place += scale
            index
        }
    }
}
