/// What of a document a `JSONDocument` records; everything else is only checked.
package indirect enum JSONShape: Sendable {
    /// Record where the value is, whatever it is.
    case value
    /// As `value`, but the literals `NaN`, `Infinity` and `-Infinity` are accepted here, as Python writes them.
    case number
    /// Of an array record the elements; anything else as `value`.
    case array(JSONShape)
    /// Of an object record these members; anything else as `value`.
    case object(JSONFields)
}

/// The members of an object to record, by name; a member's index here is its index in `JSONDocument.member(_:of:)`.
///
/// Made once and used for many documents. Looking one up compares its name with the next expected one first, so members
/// in the order given are found at once; give the usual order.
package struct JSONFields: Sendable {
    let shapes: [JSONShape]
    private let names: [Name]

    package init(_ fields: [(name: String, shape: JSONShape)]) {
        names = fields.map { Name($0.name) }
        shapes = fields.map(\.shape)
    }

    /// The index of the field with that name, looking at `expected` and what follows it first.
    @inline(__always)
    func index(of name: UnsafeRawBufferPointer, expected: Int) -> Int? {
        let head = Name.head(of: name)
        for index in expected..<names.count where names[index].matches(name, head: head) {
            return index
        }
        for index in 0..<expected where names[index].matches(name, head: head) {
            return index
        }
        return nil
    }

    /// A name with its first eight bytes as a number: most comparisons end there.
    private struct Name: Sendable {
        private let bytes: [UInt8]
        private let head: UInt64

        init(_ name: String) {
            bytes = [UInt8](name.utf8)
            head = bytes.withUnsafeBytes { Self.head(of: $0) }
        }

        @inline(__always)
        func matches(_ name: UnsafeRawBufferPointer, head: UInt64) -> Bool {
            guard head == self.head, name.count == bytes.count else { return false }
            for index in 8..<max(8, name.count) where name[index] != bytes[index] {
                return false
            }
            return true
        }

        @inline(__always)
        static func head(of name: UnsafeRawBufferPointer) -> UInt64 {
            if name.count >= 8 { return name.loadUnaligned(as: UInt64.self) }
            var head: UInt64 = 0
            for byte in name {
                head = head << 8 | UInt64(byte)
            }
            return head
        }
    }
}
