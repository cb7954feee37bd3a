package edgecls

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import androidx.exifinterface.media.ExifInterface
import java.io.ByteArrayInputStream
import kotlin.math.max
import kotlin.math.min
import kotlin.math.rint

/** From an encoded image to the uint8[H, W, C] that the model gets. */
object Images {
    fun load(encoded: ByteArray, how: Preprocess): ByteArray {
        val options = BitmapFactory.Options().apply {
            inPreferredConfig = Bitmap.Config.ARGB_8888
            inPremultiplied = false
        }
        val bitmap = BitmapFactory.decodeByteArray(encoded, 0, encoded.size, options)
            ?: throw BundleException("not an image, or of a format that is not read")
        return tensor(if (how.exif) upright(bitmap, encoded) else bitmap, how)
    }

    /** Of an upright bitmap, such as a camera's frame. */
    fun tensor(bitmap: Bitmap, how: Preprocess): ByteArray {
        val resized = resized(pixels(bitmap, how.mode), how)
        if (how.mode == "BGR") {
            for (at in resized.values.indices step 3) {
                val red = resized.values[at]
                resized.values[at] = resized.values[at + 2]
                resized.values[at + 2] = red
            }
        }
        return resized.values
    }

    private fun upright(bitmap: Bitmap, encoded: ByteArray): Bitmap {
        val exif = ExifInterface(ByteArrayInputStream(encoded))
        val matrix = Matrix()
        if (exif.isFlipped) matrix.postScale(-1f, 1f)
        matrix.postRotate(exif.rotationDegrees.toFloat())
        if (matrix.isIdentity) return bitmap
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, matrix, false)
    }

    /** Transparency is laid over white; gray is ITU-R 601-2 luma in fixed point, as in Pillow. */
    private fun pixels(bitmap: Bitmap, mode: String): Pixels {
        val colours = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(colours, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val result = Pixels(bitmap.width, bitmap.height, if (mode == "L") 1 else 3)
        var out = 0
        for (colour in colours) {
            val alpha = colour ushr 24
            val red = overWhite(colour shr 16 and 255, alpha)
            val green = overWhite(colour shr 8 and 255, alpha)
            val blue = overWhite(colour and 255, alpha)
            if (mode == "L") {
                val luma = red * 19595 + green * 38470 + blue * 7471 + 0x8000 shr 16
                result.values[out++] = luma.toByte()
            } else {
                result.values[out++] = red.toByte()
                result.values[out++] = green.toByte()
                result.values[out++] = blue.toByte()
            }
        }
        return result
    }

    private fun overWhite(value: Int, alpha: Int): Int {
        val sum = (value * alpha + 255 * (255 - alpha) + 128) * 128
        return ((sum shr 8) + sum shr 8) shr 7
    }

    private fun resized(image: Pixels, how: Preprocess): Pixels {
        if (image.width == how.width && image.height == how.height) return image
        val across = how.width.toDouble() / image.width
        val down = how.height.toDouble() / image.height
        return when (how.resize) {
            "stretch" -> Resample.resize(image, how.width, how.height, how.interpolation)
            "pad" -> {
                val scale = min(across, down)
                val width = max(1, rint(image.width * scale).toInt())
                val height = max(1, rint(image.height * scale).toInt())
                padded(Resample.resize(image, width, height, how.interpolation), how)
            }
            "shortest" -> {
                val scale = max(across, down) / how.cropRatio
                val width = max(how.width, rint(image.width * scale).toInt())
                val height = max(how.height, rint(image.height * scale).toInt())
                cropped(Resample.resize(image, width, height, how.interpolation), how)
            }
            else -> throw BundleException("unknown resize: ${how.resize}")
        }
    }

    private fun padded(inner: Pixels, how: Preprocess): Pixels {
        val result = Pixels(how.width, how.height, inner.channels)
        result.values.fill(how.fill.toByte())
        val left = (how.width - inner.width) / 2
        val top = (how.height - inner.height) / 2
        val bytes = inner.width * inner.channels
        for (row in 0 until inner.height) {
            val to = ((top + row) * how.width + left) * inner.channels
            inner.values.copyInto(result.values, to, row * bytes, (row + 1) * bytes)
        }
        return result
    }

    private fun cropped(outer: Pixels, how: Preprocess): Pixels {
        val result = Pixels(how.width, how.height, outer.channels)
        val left = (outer.width - how.width) / 2
        val top = (outer.height - how.height) / 2
        val bytes = how.width * outer.channels
        for (row in 0 until how.height) {
            val from = ((top + row) * outer.width + left) * outer.channels
            outer.values.copyInto(result.values, row * bytes, from, from + bytes)
        }
        return result
    }
}
