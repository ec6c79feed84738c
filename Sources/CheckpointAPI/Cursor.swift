import Checkpoints
import JSON

/// Where a page begins, as clients carry it: they know nothing of what is in it.
///
/// URL-safe base64 without padding of a JSON list of texts: a place in an order that stays the same whatever is put or deleted.
struct Cursor: Sendable {
    let text: String

    private init(_ texts: [Identifier]) {
        var writer = JSONWriter()
        writer.value(.array(texts.map { .string(JSONString($0.text)) }))
        text = URLSafeBase64.encode(writer.bytes)
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
        guard let bytes = URLSafeBase64.decode(text),
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
