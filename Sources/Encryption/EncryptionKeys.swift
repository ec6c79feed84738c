import Crypto
package import JSON

/// The keys of a store: the first seals, all of them open.
///
/// Shown by their ids alone.
package struct EncryptionKeys: Sendable, CustomStringConvertible {
    /// One key and the name that sealed values have of it.
    package struct Key: Sendable {
        package let id: String
        let secret: SymmetricKey
    }

    /// Bytes of a key: AES-256.
    static let keyBytes = 32
    /// Characters of an id at most.
    static let longestID = 32

    package let all: [Key]

    /// `{"keys": [{"id": "2026-11", "key": "BASE64 of 32 bytes"}, …]}`.
    ///
    /// `source` is what the sentence of an error begins with, such as a file's name.
    package init(parsing text: [UInt8], source: String) throws(EncryptionError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: text)
        } catch {
            // The parser's words might have a part of a key.
            throw EncryptionError("\(source) is not JSON; \(Self.form)")
        }
        guard case .array(let entries)? = value["keys"] else {
            throw EncryptionError("\(source) has no list of keys; \(Self.form)")
        }
        guard !entries.isEmpty else {
            throw EncryptionError("\(source) has no key; make one with 'milepost rekey --new-key ID'")
        }
        var keys: [Key] = []
        for (index, entry) in entries.enumerated() {
            let key = try Self.key(entry, "key \(index + 1) in \(source)")
            guard !keys.contains(where: { $0.id == key.id }) else {
                throw EncryptionError("\(source) has two keys with the id '\(key.id)'; give each an id of its own")
            }
            guard !keys.contains(where: { $0.secret == key.secret }) else {
                throw EncryptionError(
                    "\(source) has one key under two ids, the second of them '\(key.id)'; leave one out")
            }
            keys.append(key)
        }
        all = keys
    }

    private static let form = #"give it the form {"keys":[{"id":"2026-11","key":"BASE64 of 32 bytes"}]}"#

    private static func key(_ entry: JSONValue, _ place: String) throws(EncryptionError) -> Key {
        guard case .string(let id)? = entry["id"], let id = id.string, isID(id) else {
            throw EncryptionError(
                "\(place) has no usable id; give it one of 1 to \(longestID) letters, digits, '.', '_' and '-'")
        }
        guard case .string(let text)? = entry["key"], let bytes = text.wtf8.withUnsafeBytes(Base64.decode) else {
            throw EncryptionError("\(place), '\(id)', is not in base64; make one with 'milepost rekey --new-key ID'")
        }
        guard bytes.count == keyBytes else {
            throw EncryptionError("\(place), '\(id)', has \(bytes.count) bytes; a key has \(keyBytes)")
        }
        return Key(id: id, secret: SymmetricKey(data: bytes))
    }

    static func isID(_ id: String) -> Bool {
        (1...longestID).contains(id.utf8.count)
            && id.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"):
                    true
                case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    /// The key that seals.
    var first: Key { all[0] }

    func key(_ id: String) -> Key? { all.first { $0.id == id } }

    package var description: String { "keys " + all.map(\.id).joined(separator: ", ") }

    /// The text of a file with one new key, from the system's random numbers.
    package static func newFile(id: String) throws(EncryptionError) -> JSONText {
        guard isID(id) else {
            throw EncryptionError(
                "'\(id)' is no id for a key; use 1 to \(longestID) letters, digits, '.', '_' and '-', such as 2026-11")
        }
        var writer = JSONWriter()
        writer.raw(#"{"keys":[{"id":"#)
        writer.string(id)
        writer.raw(#","key":"#)
        writer.base64(SymmetricKey(size: .bits256).withUnsafeBytes { [UInt8]($0) })
        writer.raw("}]}")
        return JSONText(trusted: writer.bytes)
    }
}
