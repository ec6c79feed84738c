/// Why a document was refused, and where; never any of its text.
///
/// Kinds and positions are those of CPython 3.12's `json.loads` wherever CPython refuses the document too.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was wrong at the position.
    package enum Kind: Sendable {
        case expectedValue
        case expectedKey
        case expectedColon
        case expectedComma
        /// The position is the opening quote.
        case unterminatedString
        case controlCharacter
        /// The position is the backslash.
        case invalidEscape
        /// The position is the `u`.
        case invalidUnicodeEscape
        /// The position is the first byte of the ill-formed sequence.
        case invalidUTF8
        case trailingData
        /// The position is the bracket that opens one container too many.
        case tooDeep
        case integerTooLong
        case numberOutOfRange
        /// The position is the first element that is not recorded any more.
        case tooManyElements
        /// The position is the first value that is one too many.
        case tooManyValues
        /// The document has more bytes than a `JSONDocument` can address (4 GiB).
        case tooLarge
    }

    package let kind: Kind

    /// Where, in bytes from the start of the document.
    package let offset: Int

    /// Where, in Unicode scalars from the start of the document, as `JSONDecodeError.pos` counts.
    package let characterOffset: Int

    /// What CPython's `json` says, or our words in its manner where it would accept the document; safe to show.
    package var reason: String {
        switch kind {
        case .expectedValue: "Expecting value"
        case .expectedKey: "Expecting property name enclosed in double quotes"
        case .expectedColon: "Expecting ':' delimiter"
        case .expectedComma: "Expecting ',' delimiter"
        case .unterminatedString: "Unterminated string starting at"
        case .controlCharacter: "Invalid control character at"
        case .invalidEscape: "Invalid \\escape"
        case .invalidUnicodeEscape: "Invalid \\uXXXX escape"
        case .invalidUTF8: "Invalid UTF-8"
        case .trailingData: "Extra data"
        case .tooDeep: "Too many nested containers"
        case .integerTooLong: "Integer has too many digits"
        case .numberOutOfRange: "Number out of range"
        case .tooManyElements: "Too many array elements"
        case .tooManyValues: "Too many values"
        case .tooLarge: "Document too large"
        }
    }

    package var description: String {
        "\(reason): byte \(offset) (char \(characterOffset))"
    }
}
