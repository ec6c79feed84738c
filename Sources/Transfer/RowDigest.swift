import CXXHash

/// How many rows a thread has, and what they are: XXH3-128 over its row lines, each with its line feed.
package struct ThreadDigest: Hashable, Sendable {
    package let rows: Int
    /// 32 hexadecimal digits.
    package let xxh3: String
}

/// A `ThreadDigest` in the making.
struct RowDigest: ~Copyable {
    private let state: UnsafeMutableRawPointer
    private(set) var rows = 0

    init() {
        guard let state = xxh3_128bits_begin() else { preconditionFailure("no memory for a digest") }
        self.state = state
    }

    deinit {
        xxh3_128bits_end(state)
    }

    /// Adds a row line, with its line feed.
    mutating func add(_ line: UnsafeRawBufferPointer) {
        xxh3_128bits_add(state, line.baseAddress, line.count)
        rows += 1
    }

    var value: ThreadDigest {
        var bytes = [UInt8](repeating: 0, count: 16)
        xxh3_128bits_read(state, &bytes)
        let digits = bytes.flatMap { byte in [byte >> 4, byte & 0xF].map { String($0, radix: 16) } }
        return ThreadDigest(rows: rows, xxh3: digits.joined())
    }
}

/// Tells one row line from another.
func lineHash(_ line: UnsafeRawBufferPointer) -> UInt64 {
    xxh3_64bits(line.baseAddress, line.count)
}
