// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "Edgecls",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Edgecls", targets: ["Edgecls"])],
    targets: [.target(name: "Edgecls")]
)
