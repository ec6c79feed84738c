import Checkpoints
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    @Test("the same bytes are the same id, and only they")
    func equality() {
        #expect(Identifier("abc") == Identifier("abc"))
        #expect(Set([Identifier("abc"), Identifier("abc")]).count == 1)
        #expect("caf\u{e9}" == "cafe\u{301}", "Swift's own strings would be one")
        #expect(Identifier("caf\u{e9}") != Identifier("cafe\u{301}"))
        #expect(Set([Identifier("caf\u{e9}"), Identifier("cafe\u{301}")]).count == 2)
    }

    @Test("order is that of UTF-8 bytes")
    func order() {
        let ordered: [Identifier] = [
            "", "-", "1", "10", "2", "A", "B", "_", "a", "a-", "ab", "e\u{301}", "\u{e9}", "ａ", "😀",
        ]
        #expect(ordered.shuffled().sorted() == ordered)
        #expect(!(Identifier("a") < Identifier("a")))
    }

    @Test("its length is in bytes")
    func length() {
        #expect(Identifier("é😀").byteCount == 6)
        #expect(Identifier("").isEmpty)
    }
}
