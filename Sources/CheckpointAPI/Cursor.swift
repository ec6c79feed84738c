import Checkpoints
import JSON

/// Where a page begins, as clients carry it: they know nothing of what is in it.
///
/// URL-safe base64 without padding of a JSON list of texts: a place in an order that stays the same whatever is put or deleted.
struct Cursor: Sendable {
    let text: String

    private static let urlSafe = [UInt8(ascii: "+"): UInt8(ascii: "-"), UInt8(ascii: "/"): UInt8(ascii: "_")]
    private static let standard = [UInt8(ascii: "-"): UInt8(ascii: "+"), UInt8(ascii: "_"): UInt8(ascii: "/")]

    private init(_ texts: [Identifier]) {
        var writer = JSONWriter()
        writer.value(.array(texts.map { .string(JSONString($0.text)) }))
        var encoded = JSONWriter()
        encoded.base64(writer.bytes)
        let characters = encoded.bytes.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        text = String(decoding: characters.map { Self.urlSafe[$0] ?? $0 }, as: UTF8.self)
    }

    init(_ place: ListPlace) {
        self.init([place.id, place.thread, place.namespace])
    }

    init(thread: Identifier) {
        self.init([thread])
    }

    /// The place that a list's cursor names; nil for any other text.
    static func place(_ text: String) -> ListPlace? {
        guard let texts = texts(text), texts.count == 3 else { return nil }
        return ListPlace(id: texts[0], thread: texts[1], namespace: texts[2])
    }

    /// The thread after which a list of threads goes on.
    static func thread(_ text: String) -> Identifier? {
        guard let texts = texts(text), texts.count == 1 else { return nil }
        return texts[0]
    }

    private static func texts(_ text: String) -> [Identifier]? {
        var characters = text.utf8.map { Self.standard[$0] ?? $0 }
        while !characters.count.isMultiple(of: 4) { characters.append(UInt8(ascii: "=")) }
        guard let bytes = characters.withUnsafeBytes({ Base64.decode($0) }),
            // What does not parse is no cursor.
            case .array(let elements)? = try? JSONValue(parsing: bytes)
        else { return nil }
        var texts: [Identifier] = []
        for element in elements {
            guard case .string(let string) = element, let text = string.string, !text.utf8.contains(0) else {
                return nil
            }
            texts.append(Identifier(text))
        }
        return texts
    }
}
