import JSON
import Testing

/// What is JSON and what is not: the classic list of documents, read in every way there is.
@Suite("Acceptance", .timeLimit(.minutes(5)))
struct AcceptanceTests {
    @Test("A valid document is accepted by every reader", arguments: Document.accepted)
    func accepts(_ document: Document) {
        #expect(agreedError(reading: document.bytes) == nil)
    }

    @Test("An invalid document is refused by every reader for the same reason", arguments: Document.refused)
    func refuses(_ document: Document) {
        #expect(agreedError(reading: document.bytes)?.kind == document.refusal)
    }

    @Test("A valid document stays valid when written again, and is then a fixed point", arguments: Document.accepted)
    func writesWhatItReads(_ document: Document) throws {
        let value = try JSONValue(parsing: document.bytes)
        let text = value.text
        #expect(try text.value == value)
        #expect(try text.value.text == text)
    }

    @Test(
        "No prefix of a container or string is accepted",
        arguments: [#"{"a":[1,"b",{"é":null}]}"#, #"["\ud83d\ude00é"]"#])
    func refusesPrefixes(_ text: String) {
        let bytes = Array(text.utf8)
        for count in bytes.indices {
            #expect(agreedError(reading: Array(bytes[..<count])) != nil, "\(count) bytes")
        }
        #expect(agreedError(reading: bytes) == nil)
    }

    @Test("Every byte that may not stand in a string is found at every alignment", arguments: 0..<20)
    func findsBytesAtEveryAlignment(_ before: Int) {
        let prefix = [0x22] + [UInt8](repeating: 0x61, count: before)
        for byte in UInt8.min...UInt8.max {
            let document = prefix + [byte] + [UInt8](repeating: 0x62, count: 9) + [0x22]
            let expected: JSONError.Kind? =
                switch byte {
                case 0x22: .trailingData
                case 0x5C: nil
                case ..<0x20: .controlCharacter
                case 0x80...: .invalidUTF8
                default: nil
                }
            let error = agreedError(reading: document)
            #expect(error?.kind == expected, "byte \(byte)")
            if expected != nil {
                #expect(error?.offset == prefix.count + (byte == 0x22 ? 1 : 0), "byte \(byte)")
            }
        }
    }
}
