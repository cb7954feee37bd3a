package edgecls

import android.content.res.AssetManager
import org.json.JSONArray
import org.json.JSONObject
import java.io.File
import java.security.MessageDigest

/** A bundle that cannot be used; the message says why. */
class BundleException(message: String) : Exception(message)

/** The fields of meta.json's `preprocess`, under their names there. */
data class Preprocess(
    val height: Int,
    val width: Int,
    val resize: String,
    val cropRatio: Double,
    val interpolation: String,
    val mode: String,
    val exif: Boolean,
    val fill: Int,
)

/**
 * What a program needs of meta.json, whose schema is meta.schema.json.
 *
 * modelFile: a copy of the first model file, with its hash checked.
 */
class Bundle(
    val labels: List<String>,
    val preprocess: Preprocess,
    val temperature: Double,
    val rejectThreshold: Double,
    val modelFile: File,
) {
    companion object {
        private const val FORMAT = 1

        /** The bundle in the folder [folder] of the app's assets; [cache] takes its model files. */
        fun load(assets: AssetManager, folder: String, cache: File): Bundle {
            val text = assets.open("$folder/meta.json").use { it.readBytes().decodeToString() }
            val meta = JSONObject(text)
            if (meta.getInt("format") != FORMAT) {
                throw BundleException("meta.json has format ${meta.get("format")}, not $FORMAT")
            }
            val files = meta.getJSONObject("files")
            val models = strings(meta.getJSONArray("model_files")).map { name ->
                copied(assets, folder, name, files.getString(name), cache)
            }
            val postprocess = meta.getJSONObject("postprocess")
            return Bundle(
                labels = strings(meta.getJSONArray("labels")),
                preprocess = preprocess(meta.getJSONObject("preprocess")),
                temperature = postprocess.getDouble("temperature"),
                rejectThreshold = postprocess.getDouble("reject_threshold"),
                modelFile = models.first(),
            )
        }

        private fun preprocess(data: JSONObject): Preprocess {
            if (!data.getBoolean("antialias") && data.getString("interpolation") != "nearest") {
                throw BundleException("this example resizes with antialiasing alone")
            }
            val size = data.getJSONArray("size")
            return Preprocess(
                height = size.getInt(0),
                width = size.getInt(1),
                resize = data.getString("resize"),
                cropRatio = data.getDouble("crop_ratio"),
                interpolation = data.getString("interpolation"),
                mode = data.getString("mode"),
                exif = data.getBoolean("exif"),
                fill = data.getInt("fill"),
            )
        }

        private fun strings(array: JSONArray): List<String> =
            (0 until array.length()).map { array.getString(it) }

        /** Runtimes load files, and assets are none. Copied again where its hash is another. */
        private fun copied(
            assets: AssetManager,
            folder: String,
            name: String,
            sha256: String,
            cache: File,
        ): File {
            if (name.startsWith("/") || name.split("/").contains("..")) {
                throw BundleException("$name leads out of the bundle")
            }
            val file = File(cache, "$folder/$name")
            if (file.isFile && hash(file.readBytes()) == sha256) return file
            val bytes = assets.open("$folder/$name").use { it.readBytes() }
            if (hash(bytes) != sha256) throw BundleException("$name has changed")
            file.parentFile?.mkdirs()
            val beside = File(file.path + ".part")
            beside.writeBytes(bytes)
            if (!beside.renameTo(file)) throw BundleException("$file cannot be written")
            return file
        }

        private fun hash(bytes: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(bytes)
                .joinToString("") { "%02x".format(it) }
    }
}
