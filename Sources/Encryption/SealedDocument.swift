import JSON

/// How a checkpoint's document is stored when it is sealed: what stores read of documents in clear, and the whole of it
/// sealed.
///
///     {"v":4,"ts":"…","channel_versions":{…},"channel_values":{"name":null},"milepost_sealed":"BASE64"}
///
/// Of `channel_values` the names alone: they say where a channel's value is found, to prune and to histories.
enum SealedDocument {
    private static let fields = JSONFields(
        [
            (name: "v", shape: .value), (name: "ts", shape: .value), (name: "channel_versions", shape: .value),
            (name: "channel_values", shape: .value),
        ]
    )
    private static let member = [UInt8](#""milepost_sealed""#.utf8)
    private static let mark = member + [UInt8](#":""#.utf8)
    private static let end = [UInt8](#""}"#.utf8)

    /// What of a document stays in clear, up to where the sealed text begins.
    static func clear(of document: JSONText) throws(JSONError) -> [UInt8] {
        try document.bytes.withUnsafeBufferPointer { (bytes) throws(JSONError) in
            let parsed = try JSONDocument(parsing: UnsafeRawBufferPointer(bytes), shape: .object(fields))
            var writer = JSONWriter(reservingCapacity: 512)
            writer.raw("{")
            let version = parsed.member(0, of: parsed.root)
            if version.kind == .number {
                writer.raw(#""v":"#)
                writer.raw(parsed.text(of: version))
                writer.raw(",")
            }
            let time = parsed.member(1, of: parsed.root)
            if time.kind == .string {
                writer.raw(#""ts":"#)
                writer.raw(parsed.text(of: time))
                writer.raw(",")
            }
            let versions = parsed.member(2, of: parsed.root)
            if versions.kind == .object {
                writer.raw(#""channel_versions":"#)
                writer.raw(parsed.text(of: versions))
                writer.raw(",")
            }
            let values = parsed.member(3, of: parsed.root)
            if values.kind == .object, case .object(let members) = try parsed.text(of: values).value {
                writer.raw(#""channel_values":"#)
                writer.value(.object(members.map { JSONMember(name: $0.name, value: .null) }))
                writer.raw(",")
            }
            return writer.bytes + mark
        }
    }

    static func text(clear: [UInt8], sealed: [UInt8]) -> JSONText {
        let count = Base64.encodedCount(sealed.count)
        let start = clear.count
        let bytes = [UInt8](unsafeUninitializedCapacity: start + count + end.count) { buffer, length in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.copyBytes(from: clear)
            sealed.withUnsafeBytes {
                Base64.encode($0, into: UnsafeMutableRawBufferPointer(rebasing: raw[start..<start + count]))
            }
            UnsafeMutableRawBufferPointer(rebasing: raw[(start + count)...]).copyBytes(from: end)
            length = start + count + end.count
        }
        return JSONText(trusted: bytes)
    }

    /// The clear part and the sealed one; nil for a document that is not sealed.
    static func parts(of document: JSONText) -> (clear: ArraySlice<UInt8>, sealed: [UInt8])? {
        let bytes = document.bytes
        guard bytes.count > end.count, bytes.suffix(end.count).elementsEqual(end),
            let quote = bytes.dropLast(end.count).lastIndex(of: UInt8(ascii: #"""#))
        else { return nil }
        let clear = bytes[...quote]
        guard clear.suffix(mark.count).elementsEqual(mark) else { return nil }
        let text = bytes[(quote + 1)..<(bytes.count - end.count)]
        // White space would be skipped.
        guard let sealed = text.withUnsafeBytes(Base64.decode), Base64.encodedCount(sealed.count) == text.count else {
            return nil
        }
        return (clear, sealed)
    }

    /// Whether a document looks as if it had been sealed, whatever became of it since.
    ///
    /// In a string of another document there would be a backslash before the quotes.
    static func isMarked(_ document: JSONText) -> Bool {
        document.bytes.firstRange(of: member) != nil
    }
}
