import Foundation

/// uint8[height, width, channels], contiguous.
struct Pixels {
    let width: Int
    let height: Int
    let channels: Int
    var values: [UInt8]

    init(width: Int, height: Int, channels: Int, fill: UInt8 = 0) {
        self.width = width
        self.height = height
        self.channels = channels
        values = [UInt8](repeating: fill, count: width * height * channels)
    }
}

/// Resizing with Pillow's arithmetic, which training used: Core Graphics gives other pixels.
enum Resample {
    private static let precisionBits = 22

    private struct Footprint {
        let first: Int
        let weights: [Int]
    }

    static func resize(
        _ source: Pixels, _ width: Int, _ height: Int, _ how: String
    ) throws -> Pixels {
        if source.width == width && source.height == height { return source }
        if how == "nearest" { return nearest(source, width, height) }
        let wide = source.width == width ? source : try across(source, width, how)
        return wide.height == height ? wide : try down(wide, height, how)
    }

    private static func support(_ how: String) throws -> Double {
        switch how {
        case "bilinear": return 1
        case "bicubic": return 2
        case "lanczos": return 3
        default: throw BundleError("unknown interpolation: \(how)")
        }
    }

    private static func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(x * Double.pi) / (x * Double.pi)
    }

    private static func weight(_ how: String, _ x: Double) -> Double {
        let size = abs(x)
        if how == "bilinear" { return max(0, 1 - size) }
        if how == "lanczos" { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0 }
        if size < 1 { return (1.5 * size - 2.5) * size * size + 1 }
        return size < 2 ? (((size - 5) * size + 8) * size - 4) * -0.5 : 0
    }

    private static func footprints(_ from: Int, _ to: Int, _ how: String) throws -> [Footprint] {
        let scale = Double(from) / Double(to)
        let filterScale = max(scale, 1)
        let reach = try support(how) * filterScale
        let step = 1 / filterScale
        return (0..<to).map { index in
            let centre = (Double(index) + 0.5) * scale
            let first = max(0, Int(centre - reach + 0.5))
            let end = min(from, Int(centre + reach + 0.5))
            let exact = (first..<end).map { weight(how, (Double($0) - centre + 0.5) * step) }
            let total = exact.reduce(0, +)
            let fixed = exact.map { value -> Int in
                let share = total != 0 ? value / total : value
                return Int(share * Double(1 << precisionBits) + (share < 0 ? -0.5 : 0.5))
            }
            return Footprint(first: first, weights: fixed)
        }
    }

    private static func clip8(_ sum: Int) -> UInt8 {
        UInt8(max(0, min(255, sum >> precisionBits)))
    }

    private static func across(_ source: Pixels, _ width: Int, _ how: String) throws -> Pixels {
        var result = Pixels(width: width, height: source.height, channels: source.channels)
        let parts = try footprints(source.width, width, how)
        var out = 0
        for row in 0..<source.height {
            for part in parts {
                for channel in 0..<source.channels {
                    var at = (row * source.width + part.first) * source.channels + channel
                    var sum = 1 << (precisionBits - 1)
                    for each in part.weights {
                        sum += Int(source.values[at]) * each
                        at += source.channels
                    }
                    result.values[out] = clip8(sum)
                    out += 1
                }
            }
        }
        return result
    }

    private static func down(_ source: Pixels, _ height: Int, _ how: String) throws -> Pixels {
        var result = Pixels(width: source.width, height: height, channels: source.channels)
        let rowValues = source.width * source.channels
        var out = 0
        for part in try footprints(source.height, height, how) {
            for column in 0..<rowValues {
                var at = part.first * rowValues + column
                var sum = 1 << (precisionBits - 1)
                for each in part.weights {
                    sum += Int(source.values[at]) * each
                    at += rowValues
                }
                result.values[out] = clip8(sum)
                out += 1
            }
        }
        return result
    }

    private static func nearest(_ source: Pixels, _ width: Int, _ height: Int) -> Pixels {
        var result = Pixels(width: width, height: height, channels: source.channels)
        var out = 0
        for row in places(source.height, height) {
            for column in places(source.width, width) {
                let at = (row * source.width + column) * source.channels
                for channel in 0..<source.channels {
                    result.values[out] = source.values[at + channel]
                    out += 1
                }
            }
        }
        return result
    }

    private static func places(_ from: Int, _ to: Int) -> [Int] {
        let scale = Double(from) / Double(to)
        var place = scale * 0.5
        return (0..<to).map { _ in
            let index = min(Int(place), from - 1)
            place += scale
            return index
        }
    }
}
