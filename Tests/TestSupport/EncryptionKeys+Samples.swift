package import Encryption

extension EncryptionKeys {
    /// Keys for tests, by their ids: each id always has the same key.
    package static func sample(_ ids: String...) throws(EncryptionError) -> EncryptionKeys {
        let entries = (ids.isEmpty ? ["test"] : ids).map { id in
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ id.utf8.reduce(0) { $0 &* 31 &+ Int($1) }) }
            return #"{"id":"\#(id)","key":"\#(base64(bytes))"}"#
        }
        return try EncryptionKeys(
            parsing: [UInt8](#"{"keys":[\#(entries.joined(separator: ","))]}"#.utf8), source: "the test's keys")
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = (0..<3).map { start + $0 < bytes.count ? Int(bytes[start + $0]) : 0 }
            let bits = group[0] << 16 | group[1] << 8 | group[2]
            for place in 0..<4 {
                text.append(start + place <= bytes.count ? digits[bits >> (18 - 6 * place) & 63] : "=")
            }
        }
        return text
    }
}
