import JSON
import Serde

/// What LangGraph's serde wrote, or somebody who wishes us ill, is shown: within the limits, and as JSON.
enum MessagePackProperty {
    private static let types = ["msgpack", "msgpack", "msgpack", "json", "bytes", "bytearray", "null", "pickle", "x+y"]

    static func check(_ input: [UInt8]) {
        var choices = Choices(input)
        let type = types[Int(choices.byte()) % types.count]
        let limits = DecodingLimits(depth: 1 + Int(choices.byte()) % 24, values: Int(choices.byte()))
        let bytes = Array(choices.rest)
        let few = decoded(type, bytes, limits)
        let all = decoded(type, bytes, DecodingLimits())
        if type == "msgpack" {
            // What is damaged as a whole is no value of it.
            if !isDamaged(few) {
                let found = Found(few)
                require(found.values <= limits.values, "\(found.values) values of \(limits.values)")
                require(found.depth <= limits.depth + 1, "\(found.depth) levels of \(limits.depth)")
            }
            var text = MessagePackText(bytes)
            require(text.isDocument() == !isDamaged(all), "damaged, or not: \(all)")
            if !isDamaged(all), bytes.count < DecodingLimits().values {
                require(text.counts.first == count(of: all), "\(text.counts.first ?? 0) parts: \(all)")
            }
            require(isDamaged(few) == isDamaged(all), "the limits do not change that")
        }
        require(shown(few) <= 1_000 + 200 * bytes.count, "what is shown is a multiple of what is there")
        _ = shown(all)
        checkDifference(few, all)
    }

    private static func decoded(_ type: String, _ bytes: [UInt8], _ limits: DecodingLimits) -> DecodedValue {
        let value = DecodedValue(type: type, bytes: bytes, limits: limits)
        return subject(value) { value in
            // A decoder that reads one array too far.
            if case .array(let elements) = value, elements.count == 3 { .array(elements + elements) } else { value }
        }
    }

    /// Bytes of it as JSON, which it is.
    private static func shown(_ value: DecodedValue) -> Int {
        let text = value.json.text.bytes
        require((try? JSONText(parsing: text, limits: JSONLimits(maximumDepth: 5_000))) != nil, "it is shown as JSON")
        return text.count
    }

    private static func isDamaged(_ value: DecodedValue) -> Bool {
        if case .opaque(let value) = value, case .damaged = value.reason, value.note.hasPrefix("msgpack") {
            true
        } else {
            false
        }
    }

    /// Parts of a container, or of the bytes of a text; 0 for what has none.
    private static func count(of value: DecodedValue) -> Int {
        switch value {
        case .array(let elements): elements.count
        case .map(let entries): entries.count
        case .text(let text): text.wtf8.count
        case .bytes(let bytes): bytes.count
        default: 0
        }
    }

    private static func checkDifference(_ one: DecodedValue, _ other: DecodedValue) {
        let (one, other) = (DecodedEntry(DecodedValue("a"), one), DecodedEntry(DecodedValue("a"), other))
        require(ValueDifference.between([one], [one]).isEmpty, "a value does not differ from itself")
        for difference in ValueDifference.between([one], [other]) { _ = difference.json.text }
    }

    /// What limits count.
    private struct Found {
        private(set) var values = 0
        private(set) var depth = 0

        init(_ value: DecodedValue) {
            add(value, level: 0)
        }

        private mutating func add(_ value: DecodedValue, level: Int) {
            depth = max(depth, level)
            if case .cut = value { return }
            values += 1
            switch value {
            case .array(let elements): for element in elements { add(element, level: level + 1) }
            case .map(let entries): add(entries, level: level + 1)
            case .snapshot(let inner), .object(_, .value(let inner)): add(inner, level: level + 1)
            case .object(_, .arguments(let elements)): add(.array(elements), level: level + 1)
            case .object(_, .fields(let entries)): add(.map(entries), level: level + 1)
            default: break
            }
        }

        private mutating func add(_ entries: [DecodedEntry], level: Int) {
            for entry in entries {
                // The mark of what is left out has no value.
                if case (.cut, .null) = (entry.key, entry.value) { continue }
                add(entry.key, level: level)
                add(entry.value, level: level)
            }
        }
    }
}

/// Whether bytes are one msgpack document, by the table of its specification.
///
/// https://github.com/msgpack/msgpack/blob/master/spec.md#formats
private struct MessagePackText {
    private var rest: ArraySlice<UInt8>
    /// Values that must still come.
    private var missing = 1
    /// What each value that came says of its parts: the first one is the whole.
    private(set) var counts: [Int] = []

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func isDocument() -> Bool {
        while missing > 0 {
            missing -= 1
            let before = missing
            guard let byte = rest.popFirst(), let size = size(byte), size <= rest.count else { return false }
            rest = rest.dropFirst(size)
            counts.append(Self.parts(byte, size: size, values: missing - before))
            // Each value takes a byte.
            guard missing <= rest.count else { return false }
        }
        return rest.isEmpty
    }

    private static func parts(_ byte: UInt8, size: Int, values: Int) -> Int {
        switch byte {
        case 0x80...0x8F, 0xDE, 0xDF: values / 2
        case 0x90...0x9F, 0xDC, 0xDD: values
        case 0xA0...0xBF, 0xC4...0xC6, 0xD9...0xDB: size
        default: 0
        }
    }

    /// Bytes that belong to a value itself after its first one and its length; nil for what begins none.
    private mutating func size(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x00...0x7F, 0xC0, 0xC2, 0xC3, 0xE0...0xFF: return 0
        case 0x80...0x8F: missing += 2 * Int(byte & 0xF)
        case 0x90...0x9F: missing += Int(byte & 0xF)
        case 0xA0...0xBF: return Int(byte & 0x1F)
        case 0xC4, 0xD9: return length(1)
        case 0xC5, 0xDA: return length(2)
        case 0xC6, 0xDB: return length(4)
        case 0xC7: return length(1).map { $0 + 1 }
        case 0xC8: return length(2).map { $0 + 1 }
        case 0xC9: return length(4).map { $0 + 1 }
        case 0xCC, 0xD0: return 1
        case 0xCD, 0xD1: return 2
        case 0xCA, 0xCE, 0xD2: return 4
        case 0xCB, 0xCF, 0xD3: return 8
        case 0xD4...0xD8: return 1 + 1 << Int(byte - 0xD4)
        case 0xDC, 0xDD:
            guard let count = length(byte == 0xDC ? 2 : 4) else { return nil }
            missing += count
        case 0xDE, 0xDF:
            guard let count = length(byte == 0xDE ? 2 : 4) else { return nil }
            missing += 2 * count
        default: return nil
        }
        return 0
    }

    private mutating func length(_ bytes: Int) -> Int? {
        guard rest.count >= bytes else { return nil }
        defer { rest = rest.dropFirst(bytes) }
        return rest.prefix(bytes).reduce(0) { $0 << 8 | Int($1) }
    }
}
