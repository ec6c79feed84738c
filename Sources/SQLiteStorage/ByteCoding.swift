/// Reads what was written with the functions below, and never past the end.
struct ByteReader {
    private let content: [UInt8]
    private(set) var position = 0

    init(_ content: [UInt8]) {
        self.content = content
    }

    var isAtEnd: Bool { position == content.count }

    /// Nil at the end, and for what is no number.
    mutating func number() -> Int? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < content.count, shift < 63 {
            let byte = content[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return Int(exactly: value) }
            shift += 7
        }
        return nil
    }

    /// Nil when there are fewer.
    mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= content.count - position else { return nil }
        defer { position += count }
        return content[position..<position + count]
    }

    /// Bytes with their number before them.
    mutating func counted() -> ArraySlice<UInt8>? {
        number().flatMap { bytes($0) }
    }
}

extension [UInt8] {
    /// Seven bits a byte, the lowest first; the high bit says that more follow.
    mutating func append(number: Int) {
        precondition(number >= 0, "only counts and offsets are written")
        var rest = UInt(number)
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Bytes with their number before them.
    mutating func append(counted bytes: some Collection<UInt8>) {
        append(number: bytes.count)
        append(contentsOf: bytes)
    }
}
