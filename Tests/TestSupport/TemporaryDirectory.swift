import Foundation

/// A directory of its own for one test, removed when this value goes.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        path = NSTemporaryDirectory() + "milepost-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)  // what stays behind is in the temporary directory
    }

    /// Unique, of letters, digits and hyphens.
    package var name: String {
        String(path.split(separator: "/").last ?? "")
    }

    package func file(_ name: String) -> String {
        path + "/" + name
    }
}
