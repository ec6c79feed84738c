import Checkpoints
import Glibc
import JSON

/// What the database keeps of a document and its metadata: `jsonb` for LangGraph's savers and for searching, and beside it
/// the exact texts, because `jsonb` keeps neither the order of keys nor `1e16`.
///
/// A saver of LangGraph's that replaces the `jsonb` leaves the texts as they were. The digest tells: it is of the `jsonb`
/// that belongs to them.
enum StoredCheckpoint {
    /// An expression for the digest of two `jsonb` expressions: 64 bits of their texts.
    ///
    /// `jsonb_hash_extended` would be faster, but `[[1],2]` and `[[1,2]]` are one to it, and so are `1` and `1.0`.
    static func digest(document: String, metadata: String) -> String {
        "(hashtextextended(\(document)::text, 0) # hashtextextended(\(metadata)::text, 1))"
    }

    /// Two columns: the texts that are valid for a row of `checkpoints`.
    static let texts = """
        CASE WHEN \(isExact) THEN milepost_checkpoint ELSE checkpoint::text END,
        \(metadata)
        """

    /// The second of them.
    static let metadata = "CASE WHEN \(isExact) THEN milepost_metadata ELSE metadata::text END"

    /// An expression for whether a text of `jsonb` has U+FFFD, which may stand there for what `jsonb` cannot hold.
    static func mayDiffer(_ text: String) -> String { "(strpos(\(text), chr(65533)) > 0)" }

    /// An expression for a member of a `jsonb` expression; null when it is no string, or may not be what was sent.
    static func label(_ member: String, of object: String) -> String {
        let text = "(\(object) ->> '\(member)')"
        return """
            CASE WHEN jsonb_typeof(\(object) -> '\(member)') = 'string' AND NOT \(mayDiffer(text))
            THEN \(text) END
            """
    }

    private static let isExact =
        "milepost_digest = \(digest(document: "checkpoint", metadata: "metadata"))"
}

/// Expressions for what not every database has a column for.
struct PostgresColumns: Sendable {
    /// Whether `milepost_thread_settings` and `milepost_leases` are there and may be used.
    var hasSettings = true
    /// Two: a checkpoint's texts.
    var texts = StoredCheckpoint.texts
    /// A write's task path.
    var taskPath = "task_path"
}

extension JSONText {
    /// A text for `jsonb` where it would not take this one; nil where it does.
    ///
    /// `jsonb` has no NUL and no half of a surrogate pair: U+FFFD stands for each, and no two names of an object become
    /// one. A number with more decimals than `numeric` has becomes the nearest double. Everything else stays as it is, so
    /// that what contains a filter without such things still contains it.
    ///
    /// Escapes are looked for at once; numbers only when `always` is set, because they are so rare that the server may
    /// be asked first. https://www.postgresql.org/docs/15/datatype-json.html
    func substituteForJSONB(always: Bool = false) -> [UInt8]? {
        guard always || hasForeignEscape else { return nil }
        // It was checked when it came in.
        guard let value = try? value else { return nil }
        return value.acceptedByJSONB.text.bytes
    }

    /// Whether a string in it has an escape that `jsonb` refuses.
    var hasForeignEscape: Bool {
        bytes.withUnsafeBufferPointer { bytes in
            var place = 0
            while let backslash = Self.backslash(in: bytes, from: place) {
                guard bytes.indices.contains(backslash + 5), bytes[backslash + 1] == UInt8(ascii: "u") else {
                    place = min(backslash + 2, bytes.count)
                    continue
                }
                switch Self.unit(bytes, backslash) {
                case 0, 0xDC00...0xDFFF: return true
                case 0xD800...0xDBFF:
                    guard bytes.indices.contains(backslash + 11), bytes[backslash + 6] == UInt8(ascii: "\\"),
                        bytes[backslash + 7] == UInt8(ascii: "u"),
                        0xDC00...0xDFFF ~= Self.unit(bytes, backslash + 6)
                    else { return true }
                    place = backslash + 12
                default: place = backslash + 6
                }
            }
            return false
        }
    }

    private static func backslash(in bytes: UnsafeBufferPointer<UInt8>, from place: Int) -> Int? {
        guard place < bytes.count, let start = bytes.baseAddress else { return nil }
        return memchr(start + place, CInt(UInt8(ascii: "\\")), bytes.count - place).map { found in
            UnsafeRawPointer(found) - UnsafeRawPointer(start)
        }
    }

    /// The four hexadecimal digits after `\u`.
    private static func unit(_ bytes: UnsafeBufferPointer<UInt8>, _ backslash: Int) -> UInt32 {
        bytes[backslash + 2..<backslash + 6].reduce(0) { value, digit in
            let isDecimal = digit <= UInt8(ascii: "9")
            return value << 4 | UInt32(isDecimal ? digit & 0xF : (digit & 0xF) + 9)
        }
    }
}

extension JSONValue {
    fileprivate var acceptedByJSONB: JSONValue {
        switch self {
        case .null, .bool: self
        case .number(let number): .number(number.acceptedByJSONB)
        case .string(let string): .string(string.acceptedByJSONB)
        case .array(let elements): .array(elements.map(\.acceptedByJSONB))
        case .object(let members):
            .object(Self.acceptedByJSONB(members))
        }
    }

    private static func acceptedByJSONB(_ members: [JSONMember]) -> [JSONMember] {
        let names = members.map(\.name.acceptedByJSONB)
        var taken = Set(zip(members, names).filter { $0.name == $1 }.map(\.1))
        // Equal names stay equal: the last of them counts.
        var substitutes: [JSONString: JSONString] = [:]
        return zip(members, names).map { member, name in
            var distinct = name
            if member.name != name {
                if let known = substitutes[member.name] {
                    distinct = known
                } else {
                    while !taken.insert(distinct).inserted {
                        distinct = JSONString((distinct.string ?? "") + "\u{FFFD}")
                    }
                    substitutes[member.name] = distinct
                }
            }
            return JSONMember(name: distinct, value: member.value.acceptedByJSONB)
        }
    }
}

extension JSONString {
    fileprivate var acceptedByJSONB: JSONString {
        // A lone surrogate is no UTF-8 and decodes to U+FFFD by itself.
        let text = string ?? String(decoding: wtf8, as: UTF8.self)
        guard text.utf8.contains(0) else { return JSONString(text) }
        return JSONString(
            text.unicodeScalars.reduce(into: "") { $0.unicodeScalars.append($1 == "\0" ? "\u{FFFD}" : $1) })
    }
}

extension JSONNumber {
    /// Where it has more decimals than the 16,383 that `numeric` holds.
    fileprivate var acceptedByJSONB: JSONNumber {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        let decimals = parts[0].split(separator: ".").dropFirst().first?.utf8.count ?? 0
        let exponent = parts.count > 1 ? Int(parts[1]) ?? .min / 2 : 0
        guard decimals - exponent > 16_383 else { return self }
        let nearest = double
        return nearest.isFinite ? JSONNumber(trusted: "\(nearest)") : self
    }
}
