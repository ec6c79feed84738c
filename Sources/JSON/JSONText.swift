/// The exact text of one JSON value, known to be valid.
///
/// It is how a document is kept and answered without being understood: the UTF-8 bytes as received, white space
/// included. Two are equal when their bytes are.
package struct JSONText: Sendable, Hashable {
    package let bytes: [UInt8]

    /// The text `{}`.
    package static let emptyObject = JSONText(trusted: [.openBrace, .closeBrace])

    /// Text that is checked to be one JSON value within the limits.
    package init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            var scanner = JSONScanner(UnsafeRawBufferPointer(buffer), limits: limits)
            scanner.skipWhitespace()
            try scanner.skipValue()
            try scanner.finish()
        }
        self.bytes = bytes
    }

    /// Text that was checked before, as when it is read back from a store.
    package init(trusted bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The value it is the text of; parsed at every call.
    package var value: JSONValue {
        get throws(JSONError) { try JSONValue(parsing: bytes) }
    }
}
