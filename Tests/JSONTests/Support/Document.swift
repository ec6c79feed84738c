import JSON
import Testing

/// A document and what is to become of it.
struct Document: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// Why it is refused, nil when it is accepted.
    let refusal: JSONError.Kind?

    var testDescription: String { name }

    static func accepted(_ name: String, _ text: String) -> Document {
        Document(name: name, bytes: Array(text.utf8), refusal: nil)
    }

    static func refused(_ name: String, _ text: String, _ kind: JSONError.Kind) -> Document {
        Document(name: name, bytes: Array(text.utf8), refusal: kind)
    }

    /// A document that no Swift string can spell.
    static func refused(_ name: String, bytes: [UInt8], _ kind: JSONError.Kind) -> Document {
        Document(name: name, bytes: bytes, refusal: kind)
    }
}

/// The ways to read a document, which must agree on every one.
enum Reader: CaseIterable {
    case value
    case text
    case plainDocument
    /// Its members and elements are recorded, so that containers are walked by the recorder.
    case shapedDocument

    /// What the reader says: nil when it accepts the document.
    func error(reading bytes: [UInt8], limits: JSONLimits = .default) -> JSONError? {
        do {
            switch self {
            case .value: _ = try JSONValue(parsing: bytes, limits: limits)
            case .text: _ = try JSONText(parsing: bytes, limits: limits)
            case .plainDocument: try read(bytes, shape: .value, limits: limits)
            case .shapedDocument: try read(bytes, shape: Self.shape, limits: limits)
            }
            return nil
        } catch {
            return error
        }
    }

    private func read(_ bytes: [UInt8], shape: JSONShape, limits: JSONLimits) throws(JSONError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            _ = try JSONDocument(parsing: UnsafeRawBufferPointer(buffer), shape: shape, limits: limits)
        }
    }

    private static let shape = JSONShape.array(
        .object(JSONFields([("a", .array(.value)), ("b", .object(JSONFields([("a", .value)])))]))
    )
}

/// The error that every reader reports, nil when every reader accepts; records an issue when they disagree.
///
/// Documents note numbers beyond a `Double` where the others refuse them; that is not taken as disagreement.
func agreedError(reading bytes: [UInt8], limits: JSONLimits = .default) -> JSONError? {
    let expected = Reader.value.error(reading: bytes, limits: limits)
    let readers: [Reader] = expected?.kind == .numberOutOfRange ? [.text] : [.text, .plainDocument, .shapedDocument]
    for reader in readers {
        let error = reader.error(reading: bytes, limits: limits)
        #expect(error == expected, "\(reader) of \(String(decoding: bytes.prefix(200), as: UTF8.self))")
    }
    return expected
}
