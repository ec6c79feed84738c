import JSON

/// Bytes as a client carries them in a path, a query or a header: RFC 4648 §5 base64 without padding.
enum URLSafeBase64 {
    private static let urlSafe = [UInt8(ascii: "+"): UInt8(ascii: "-"), UInt8(ascii: "/"): UInt8(ascii: "_")]
    private static let standard = [UInt8(ascii: "-"): UInt8(ascii: "+"), UInt8(ascii: "_"): UInt8(ascii: "/")]

    static func encode(_ bytes: [UInt8]) -> String {
        var encoded = JSONWriter()
        encoded.base64(bytes)
        let characters = encoded.bytes.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        return String(decoding: characters.map { urlSafe[$0] ?? $0 }, as: UTF8.self)
    }

    /// Nil for any other text.
    static func decode(_ text: String) -> [UInt8]? {
        var characters = text.utf8.map { standard[$0] ?? $0 }
        while !characters.count.isMultiple(of: 4) { characters.append(UInt8(ascii: "=")) }
        return characters.withUnsafeBytes { Base64.decode($0) }
    }
}
