import CoreML
import Foundation

/// label: nil where the confidence is below the bundle's threshold.
public struct Prediction {
    public let label: String?
    public let confidence: Double
    public let top: [(label: String, confidence: Double)]
}

/// A bundle of the target coreml: `try await Classifier(folder).classify(data)`.
///
/// The model takes an image of its own size, in the order that the bundle's `mode` names; Core ML
/// itself turns 32BGRA into that order.
public final class Classifier {
    public let meta: Meta
    private let model: MLModel
    private let input: String
    private let output: String

    /// computeUnits: what may run it; `.cpuOnly` gives the same figures on every device.
    public init(_ folder: URL, computeUnits: MLComputeUnits = .all) async throws {
        meta = try Meta.load(folder)
        guard let first = meta.model_files.first else {
            throw BundleError("there is no model file")
        }
        // A .mlpackage is a folder: its files are listed, and it is what they lie in.
        let package = first.split(separator: "/").first.map(String.init) ?? first
        let compiled = try await MLModel.compileModel(at: folder.appendingPathComponent(package))
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        let inputs = model.modelDescription.inputDescriptionsByName
        let outputs = model.modelDescription.outputDescriptionsByName
        guard let image = inputs.first(where: { $0.value.type == .image })?.key,
              let logits = outputs.first(where: { $0.value.type == .multiArray })?.key
        else {
            throw BundleError("the model does not take an image and give logits")
        }
        input = image
        output = logits
    }

    public func classify(_ encoded: Data) throws -> Prediction {
        let pixels = try Images.load(encoded, meta.preprocess)
        let value = MLFeatureValue(pixelBuffer: try Images.buffer(pixels))
        let given = try MLDictionaryFeatureProvider(dictionary: [input: value])
        let answer = try model.prediction(from: given)
        guard let logits = answer.featureValue(for: output)?.multiArrayValue,
              logits.count == meta.labels.count
        else {
            throw BundleError("the model gives another number of logits than there are labels")
        }
        let temperature = meta.postprocess.temperature
        let scaled = (0..<logits.count).map { logits[$0].doubleValue / temperature }
        let highest = scaled.max() ?? 0
        let powers = scaled.map { exp($0 - highest) }
        let total = powers.reduce(0, +)
        let ranked = zip(meta.labels, powers)
            .map { (label: $0, confidence: $1 / total) }
            .sorted { $0.confidence > $1.confidence }
        let best = ranked[0]
        let certain = best.confidence >= meta.postprocess.reject_threshold
        return Prediction(
            label: certain ? best.label : nil, confidence: best.confidence,
            top: Array(ranked.prefix(5)))
    }
}
