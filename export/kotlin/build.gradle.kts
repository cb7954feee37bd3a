// One Android library; the flavour chooses the runtime whose bundles it runs.
plugins {
    id("com.android.library") version "8.7.3"
    id("org.jetbrains.kotlin.android") version "2.0.21"
}

android {
    namespace = "edgecls"
    compileSdk = 35
    defaultConfig { minSdk = 24 }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }
    // A model that is compressed in the package cannot be mapped into memory.
    androidResources { noCompress += listOf("tflite", "pte", "onnx", "ort") }
    flavorDimensions += "runtime"
    productFlavors {
        create("litert") { dimension = "runtime" }
        create("executorch") { dimension = "runtime" }
        create("onnxruntime") { dimension = "runtime" }
    }
}

dependencies {
    implementation("androidx.exifinterface:exifinterface:1.3.7")
    "litertImplementation"("com.google.ai.edge.litert:litert:1.0.1")
    "executorchImplementation"("org.pytorch:executorch-android:0.6.0")
    "onnxruntimeImplementation"("com.microsoft.onnxruntime:onnxruntime-android:1.23.2")
}
