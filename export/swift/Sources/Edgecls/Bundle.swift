import CryptoKit
import Foundation

/// A bundle that cannot be used; the description says why.
public struct BundleError: LocalizedError {
    public let errorDescription: String?

    init(_ description: String) {
        errorDescription = description
    }
}

/// The fields of meta.json's `preprocess`, under their names there.
public struct Preprocess: Decodable {
    public let size: [Int]
    public let resize: String
    public let crop_ratio: Double
    public let interpolation: String
    public let antialias: Bool
    public let mode: String
    public let exif: Bool
    public let fill: Int

    public var height: Int { size[0] }
    public var width: Int { size[1] }
}

/// What follows the logits.
public struct Postprocess: Decodable {
    public let temperature: Double
    public let reject_threshold: Double
}

/// What a program needs of meta.json, whose schema is meta.schema.json.
public struct Meta: Decodable {
    public let format: Int
    public let labels: [String]
    public let preprocess: Preprocess
    public let postprocess: Postprocess
    public let model_files: [String]
    public let files: [String: String]

    static let knownFormat = 1

    /// The description of the bundle in `folder`, once its model's files have the hashes it names.
    public static func load(_ folder: URL) throws -> Meta {
        let data = try Data(contentsOf: folder.appendingPathComponent("meta.json"))
        let meta = try JSONDecoder().decode(Meta.self, from: data)
        guard meta.format == knownFormat else {
            throw BundleError("meta.json has format \(meta.format), not \(knownFormat)")
        }
        guard meta.preprocess.size.count == 2 else {
            throw BundleError("meta.json has no size of two numbers")
        }
        guard meta.preprocess.antialias || meta.preprocess.interpolation == "nearest" else {
            throw BundleError("this example resizes with antialiasing alone")
        }
        for name in meta.model_files {
            try check(folder, name, meta.files[name])
        }
        return meta
    }

    private static func check(_ folder: URL, _ name: String, _ sha256: String?) throws {
        if name.hasPrefix("/") || name.split(separator: "/").contains("..") {
            throw BundleError("\(name) leads out of the bundle")
        }
        let data = try Data(contentsOf: folder.appendingPathComponent(name), options: .mappedIfSafe)
        let digest = SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
        guard digest == sha256 else {
            throw BundleError("\(name) has changed")
        }
    }
}
