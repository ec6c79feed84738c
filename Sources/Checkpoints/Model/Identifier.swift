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

    package init(stringLiteral value: String) {
        self.init(value)
    }

    package var description: String { text }

    /// How many UTF-8 bytes it takes; what identifier limits count.
    package var byteCount: Int { text.utf8.count }

    package var isEmpty: Bool { text.isEmpty }

    package static func == (left: Identifier, right: Identifier) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    package static func < (left: Identifier, right: Identifier) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 {
            hasher.combine(byte)
        }
        hasher.combine(UInt8(0xFF))
    }
}
