import Glibc
package import JSON

/// An opaque id: a thread, namespace, checkpoint, channel, version, task or task path.
///
/// Equality, hash and order are those of the UTF-8 bytes. Swift's own `String` would take `é` as one scalar
/// and `é` as two for the same text; two agents that use one each mean two threads.
package struct Identifier: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    package let text: String

    package init(_ text: String) {
        var text = text
        text.makeContiguousUTF8()
        self.text = text
    }

    /// What a document names; nil when it has NUL or half of a surrogate pair, which no stored identifier has: PostgreSQL
    /// takes neither, not even to look for it.
    package init?(_ name: JSONString) {
        guard !name.wtf8.contains(0), let text = name.string else { return nil }
        self.init(text)
    }

    package init(stringLiteral value: String) {
        self.init(value)
    }

    package var description: String { text }

    /// How many UTF-8 bytes it takes; what identifier limits count.
    package var byteCount: Int { text.utf8.count }

    package var isEmpty: Bool { text.isEmpty }

    package static func == (left: Identifier, right: Identifier) -> Bool {
        left.withBytes { left in
            right.withBytes { right in
                guard left.count == right.count, let first = left.baseAddress, let second = right.baseAddress else {
                    return false
                }
                return memcmp(first, second, left.count) == 0
            }
        }
    }

    package static func < (left: Identifier, right: Identifier) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        withBytes { hasher.combine(bytes: $0) }
        hasher.combine(UInt8(0xFF))
    }

    /// The UTF-8 bytes, which `init` made contiguous.
    ///
    /// An empty id still has an address.
    private func withBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        var text = text
        return text.withUTF8 { bytes in
            let start = bytes.baseAddress ?? UnsafePointer(bitPattern: 8)
            return body(UnsafeRawBufferPointer(start: start, count: bytes.count))
        }
    }
}
