import CoreGraphics
import CoreVideo
import Foundation
import ImageIO

/// From an encoded image to the picture that the model gets.
enum Images {
    static func load(_ encoded: Data, _ how: Preprocess) throws -> Pixels {
        guard let source = CGImageSourceCreateWithData(encoded as CFData, nil),
              let image = CGImageSourceCreateImageAtIndex(source, 0, nil)
        else {
            throw BundleError("not an image, or of a format that is not read")
        }
        var pixels = try rgb(image)
        if how.exif {
            let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
            let orientation = properties?[kCGImagePropertyOrientation] as? Int ?? 1
            pixels = upright(pixels, orientation)
        }
        return try resized(how.mode == "L" ? gray(pixels) : pixels, how)
    }

    /// Transparency is laid over white. The numbers of the file are taken as they are: drawn into
    /// the image's own colour space, nothing is converted.
    private static func rgb(_ image: CGImage) throws -> Pixels {
        let own = image.colorSpace.flatMap { $0.model == .rgb ? $0 : nil }
        let space = own ?? CGColorSpaceCreateDeviceRGB()
        var bytes = [UInt8](repeating: 255, count: image.width * image.height * 4)
        let drawn = bytes.withUnsafeMutableBytes { buffer -> Bool in
            guard let context = CGContext(
                data: buffer.baseAddress, width: image.width, height: image.height,
                bitsPerComponent: 8, bytesPerRow: image.width * 4, space: space,
                bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else { return false }
            let whole = CGRect(x: 0, y: 0, width: image.width, height: image.height)
            context.setFillColor(CGColor(red: 1, green: 1, blue: 1, alpha: 1))
            context.fill(whole)
            context.draw(image, in: whole)
            return true
        }
        guard drawn else { throw BundleError("the image cannot be drawn") }
        var pixels = Pixels(width: image.width, height: image.height, channels: 3)
        for index in 0..<(image.width * image.height) {
            for channel in 0..<3 {
                pixels.values[3 * index + channel] = bytes[4 * index + channel]
            }
        }
        return pixels
    }

    /// ITU-R 601-2 luma in fixed point, as in Pillow.
    private static func gray(_ image: Pixels) -> Pixels {
        var result = Pixels(width: image.width, height: image.height, channels: 1)
        for index in 0..<(image.width * image.height) {
            let red = Int(image.values[3 * index])
            let green = Int(image.values[3 * index + 1])
            let blue = Int(image.values[3 * index + 2])
            let luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
            result.values[index] = UInt8(luma)
        }
        return result
    }

    private static func upright(_ image: Pixels, _ orientation: Int) -> Pixels {
        guard (2...8).contains(orientation) else { return image }
        let turned = orientation >= 5
        let fromRight = [2, 3, 7, 8].contains(orientation)
        let fromBelow = [3, 4, 6, 7].contains(orientation)
        let width = turned ? image.height : image.width
        let height = turned ? image.width : image.height
        var result = Pixels(width: width, height: height, channels: image.channels)
        for row in 0..<height {
            for column in 0..<width {
                var fromRow = turned ? column : row
                var fromColumn = turned ? row : column
                if fromBelow { fromRow = image.height - 1 - fromRow }
                if fromRight { fromColumn = image.width - 1 - fromColumn }
                for channel in 0..<image.channels {
                    result.values[(row * width + column) * image.channels + channel] =
                        image.values[
                            (fromRow * image.width + fromColumn) * image.channels + channel]
                }
            }
        }
        return result
    }

    private static func resized(_ image: Pixels, _ how: Preprocess) throws -> Pixels {
        if image.width == how.width && image.height == how.height { return image }
        let across = Double(how.width) / Double(image.width)
        let down = Double(how.height) / Double(image.height)
        func scaled(_ side: Int, _ scale: Double, _ least: Int) -> Int {
            max(least, Int((Double(side) * scale).rounded(.toNearestOrEven)))
        }
        switch how.resize {
        case "stretch":
            return try Resample.resize(image, how.width, how.height, how.interpolation)
        case "pad":
            let scale = min(across, down)
            let width = scaled(image.width, scale, 1), height = scaled(image.height, scale, 1)
            let inner = try Resample.resize(image, width, height, how.interpolation)
            let canvas = Pixels(
                width: how.width, height: how.height, channels: image.channels,
                fill: UInt8(how.fill))
            return copied(
                inner, into: canvas, left: (how.width - width) / 2, top: (how.height - height) / 2)
        case "shortest":
            let scale = max(across, down) / how.crop_ratio
            let width = scaled(image.width, scale, how.width)
            let height = scaled(image.height, scale, how.height)
            let outer = try Resample.resize(image, width, height, how.interpolation)
            let canvas = Pixels(width: how.width, height: how.height, channels: image.channels)
            return copied(
                outer, into: canvas, left: -((width - how.width) / 2),
                top: -((height - how.height) / 2))
        default:
            throw BundleError("unknown resize: \(how.resize)")
        }
    }

    /// `image` laid on `canvas` with its corner there; what reaches beyond is left out.
    private static func copied(
        _ image: Pixels, into canvas: Pixels, left: Int, top: Int
    ) -> Pixels {
        var result = canvas
        for row in max(0, top)..<min(canvas.height, top + image.height) {
            for column in max(0, left)..<min(canvas.width, left + image.width) {
                for channel in 0..<image.channels {
                    result.values[(row * canvas.width + column) * image.channels + channel] =
                        image.values[((row - top) * image.width + column - left) * image.channels
                            + channel]
                }
            }
        }
        return result
    }

    /// What a model with image input takes: 32BGRA, or 8-bit gray.
    static func buffer(_ image: Pixels) throws -> CVPixelBuffer {
        let gray = image.channels == 1
        let format = gray ? kCVPixelFormatType_OneComponent8 : kCVPixelFormatType_32BGRA
        var made: CVPixelBuffer?
        CVPixelBufferCreate(nil, image.width, image.height, format, nil, &made)
        guard let buffer = made else { throw BundleError("no memory for an image") }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else {
            throw BundleError("no memory for an image")
        }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        for row in 0..<image.height {
            for column in 0..<image.width {
                let from = (row * image.width + column) * image.channels
                if gray {
                    bytes[row * stride + column] = image.values[from]
                } else {
                    let to = row * stride + 4 * column
                    bytes[to] = image.values[from + 2]
                    bytes[to + 1] = image.values[from + 1]
                    bytes[to + 2] = image.values[from]
                    bytes[to + 3] = 255
                }
            }
        }
        return buffer
    }
}
