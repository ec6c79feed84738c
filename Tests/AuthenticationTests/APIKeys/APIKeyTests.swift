import Authentication
import Testing

@Suite("An API key", .timeLimit(.minutes(5)))
struct APIKeyTests {
    private static let known = "mlp_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2fvgjJ"
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    private func flaw(_ text: String) -> APIKey.Flaw? {
        do throws(APIKey.Flaw) {
            _ = try APIKey(text)
            return nil
        } catch {
            return error
        }
    }

    @Test("A new key has 53 characters that say what it is, and is read back as itself")
    func roundTrip() throws {
        for _ in 0..<100 {
            let key = APIKey()
            #expect(key.text.wholeMatch(of: /mlp_[0-9A-Za-z]{49}/) != nil)
            let again = try APIKey(key.text)
            #expect(again.text == key.text && again.hash == key.hash)
        }
    }

    @Test("No two new keys are alike, and every character is drawn")
    func chance() {
        let keys = (0..<1_000).map { _ in APIKey().text }
        #expect(Set(keys).count == 1_000)
        #expect(Set(keys.flatMap { $0.dropFirst(4).prefix(43) }) == Set(Self.alphabet))
    }

    @Test("The checksum is CRC-32 as zlib computes it, so that scanners can check it too")
    func checksum() {
        #expect(flaw(Self.known) == nil)
    }

    @Test("Any other character in any place is found out")
    func typos() throws {
        let key = Array(APIKey().text)
        for place in key.indices {
            for character in Self.alphabet where character != key[place] {
                var typo = key
                typo[place] = character
                #expect(flaw(String(typo)) == (place < 4 ? .form : .checksum))
            }
        }
    }

    @Test("Two neighbours that changed places are found out")
    func transpositions() {
        let key = Array(Self.known)
        for place in 4..<key.count - 1 where key[place] != key[place + 1] {
            var typo = key
            typo.swapAt(place, place + 1)
            #expect(flaw(String(typo)) == .checksum)
        }
    }

    @Test(
        "What has not the form of a key is told from a typo",
        arguments: [
            "", "mlp_", "mlp", String(known.dropLast()), known + "0", " " + known, known + "\n", known.uppercased(),
            "ghp_" + known.dropFirst(4), known.replacing("a", with: "-"), known.replacing("a", with: "é"),
            known.replacing("a", with: "\0"), String(repeating: "mlp_", count: 10_000),
        ]
    )
    func form(_ text: String) {
        #expect(flaw(text) == .form)
    }

    @Test("A key that is put into a sentence says nothing secret")
    func description() {
        let key = APIKey()
        #expect("\(key)" == "mlp_…")
    }

    @Test("A key is known by the SHA-256 of its whole text")
    func hash() throws {
        let hash = try APIKey(Self.known).hash
        #expect(hash.hexadecimal == "cbe9acb4afa6e4eed85ed264549e6d2ecafcd35895ebc806d78e62c8df6caed4")
        #expect(APIKeyHash(hexadecimal: hash.hexadecimal) == hash)
        #expect(APIKeyHash(hexadecimal: hash.hexadecimal.uppercased()) == hash)
        for text in ["", "cb", hash.hexadecimal + "00", "g" + hash.hexadecimal.dropFirst(), hash.hexadecimal + "é"] {
            #expect(APIKeyHash(hexadecimal: text) == nil)
        }
    }

    @Test("Comparing hashes looks at every bit of every byte", arguments: 0..<32)
    func comparing(_ byte: Int) throws {
        let digits = Array(APIKey().hash.hexadecimal)
        let hash = try #require(APIKeyHash(hexadecimal: String(digits)))
        for bit in 0..<8 {
            let place = 2 * byte + (bit < 4 ? 1 : 0)
            var other = digits
            let value = try #require(digits[place].hexDigitValue)
            other[place] = try #require(String(value ^ 1 << (bit % 4), radix: 16).first)
            let differing = try #require(APIKeyHash(hexadecimal: String(other)))
            #expect(differing != hash && hash != differing)
        }
        #expect(try #require(APIKeyHash(hexadecimal: String(digits))) == hash)
    }
}
