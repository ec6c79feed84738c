import Authentication
import Checkpoints
import HTTPTypes
import Logging
import Synchronization
import TestSupport
import Testing

@Suite("API keys as a way to say who one is", .timeLimit(.minutes(5)))
struct APIKeyRingTests {
    private let directory: TemporaryDirectory
    private let file: APIKeyFile

    init() throws {
        directory = try TemporaryDirectory()
        file = APIKeyFile(path: directory.file("keys.json"))
    }

    private func ring(now: @escaping @Sendable () -> APIKeyTime = { .now }) throws -> APIKeyRing {
        try APIKeyRing(file: file, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: now)
    }

    private func key(expires: APIKeyTime? = nil) throws -> (key: APIKey, record: APIKeyRecord) {
        try file.create(tenant: .default, scopes: [.read], expires: expires)
    }

    private func credentials(_ fields: KeyValuePairs<String, String>) throws -> Credentials {
        var headers = HTTPFields()
        for (name, value) in fields {
            headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
        }
        return Credentials(headers: headers, source: "test")
    }

    /// The principal's name, or the reason of the failure; nil when that could not be said at once.
    private func outcome(_ ring: APIKeyRing, _ fields: KeyValuePairs<String, String>) throws -> String? {
        switch ring.principalAtOnce(for: try credentials(fields)) {
        case .success(let principal): principal.name
        case .failure(let failure): failure.reason
        case nil: nil
        }
    }

    @Test(
        "A key is taken from each header that clients send it in",
        arguments: [
            ("authorization", "Bearer "), ("Authorization", "bearer "), ("authorization", "BEARER   "),
            ("x-api-key", ""), ("X-API-Key", ""), ("x-agent-api-key", ""),
        ]
    )
    func headers(_ name: String, _ scheme: String) async throws {
        let (key, record) = try key()
        let ring = try ring()
        let sent = try credentials([name: scheme + key.text])
        #expect(ring.recognises(sent))
        #expect(try ring.principalAtOnce(for: sent)?.get().name == "key:\(record.id)")
        #expect(try await ring.principal(for: sent).get().name == "key:\(record.id)")
        #expect(ring.name == "key")
    }

    @Test("The principal has the tenant, the scopes and the prefix of the key, and those of no other")
    func principal() throws {
        let (key, record) = try file.create(
            tenant: Tenant(name: "acme"), scopes: [.read, .write], expires: nil, threadPrefix: "support-")
        let (other, _) = try self.key()
        let ring = try ring()
        let principal = try #require(ring.principalAtOnce(for: credentials(["x-api-key": key.text]))).get()
        let expected = Principal(
            name: "key:\(record.id)", tenant: Tenant(name: "acme"), scopes: [.read, .write], threadPrefix: "support-")
        #expect(principal == expected)
        let second = try #require(ring.principalAtOnce(for: credentials(["x-api-key": other.text]))).get()
        #expect(second.tenant == .default && second.scopes == [.read] && second.threadPrefix.isEmpty)
    }

    @Test(
        "A request has a credential of this mode when a header has a key, or anything where only keys are sent",
        arguments: [
            ("authorization", "Bearer mlp_", true), ("authorization", "bearer mlp_x", true), ("x-api-key", "x", true),
            ("x-agent-api-key", "x", true), ("x-api-key", "", false), ("x-agent-api-key", "", false),
            ("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x", false), ("authorization", "Basic mlp_x", false),
            ("authorization", "Bearer MLP_x", false), ("authorization", "mlp_x", false), ("authorization", "", false),
            ("authorization", "Bearer", false), ("authorization", "Bearermlp_x", false), ("cookie", "mlp_x", false),
        ]
    )
    func recognising(_ name: String, _ value: String, _ isRecognised: Bool) throws {
        _ = try key()
        let ring = try ring()
        let sent = try credentials([name: value])
        #expect(ring.recognises(sent) == isRecognised)
        #expect(throws: AuthenticationFailure.self) { try #require(ring.principalAtOnce(for: sent)).get() }
    }

    @Test("A wrong key, a mistyped one and what is none are refused, and told apart for the audit log")
    func wrong() throws {
        let (key, _) = try key()
        let ring = try ring()
        #expect(try outcome(ring, ["x-api-key": APIKey().text]) == "no such key")
        let typo = key.text.dropLast() + (key.text.hasSuffix("0") ? "1" : "0")
        #expect(try outcome(ring, ["x-api-key": String(typo)]) == "the key is mistyped or cut: its checksum is wrong")
        for text in ["x", "Bearer \(key.text)", key.text + ",", String(key.text.dropLast()), key.hash.hexadecimal] {
            #expect(try outcome(ring, ["x-api-key": text]) == "what was sent is not a key")
        }
        #expect(try outcome(ring, [:]) == "no key was sent")
    }

    @Test("Several headers have to have the same key, and none may be there twice")
    func conflicts() throws {
        let (key, record) = try key()
        let (text, name) = (key.text, "key:\(record.id)")
        let other = try self.key().key.text
        let ring = try ring()
        #expect(try outcome(ring, ["authorization": "Bearer \(text)", "x-api-key": text]) == name)
        #expect(try outcome(ring, ["x-agent-api-key": text, "x-api-key": text]) == name)
        #expect(try outcome(ring, ["x-agent-api-key": text, "x-api-key": ""]) == name)
        // Another mode's, which was not asked first.
        #expect(try outcome(ring, ["authorization": "Basic eDp5", "x-api-key": text]) == name)
        for fields: KeyValuePairs<String, String> in [
            ["authorization": "Bearer \(text)", "x-api-key": other], ["x-agent-api-key": other, "x-api-key": text],
            ["authorization": "Bearer \(text)", "x-agent-api-key": "x"],
        ] {
            #expect(try outcome(ring, fields) == "several keys were sent")
        }
        for fields: KeyValuePairs<String, String> in [
            ["x-api-key": text, "X-Api-Key": text], ["x-api-key": text, "x-api-key": other],
            ["authorization": "Bearer \(text)", "Authorization": "Bearer \(text)"],
            ["authorization": "Basic eDp5", "authorization": "Bearer \(text)"],
        ] {
            #expect(try outcome(ring, fields) == "a header that has a key was sent twice")
        }
    }

    @Test("A key ends with the second that it expires in, while the server runs")
    func expiry() throws {
        let (key, record) = try key(expires: APIKeyTime(seconds: 2_000_000_000))
        let shared = Shared(APIKeyTime(seconds: 1_999_999_999))
        let ring = try ring { shared.value.withLock { $0 } }
        #expect(try outcome(ring, ["x-api-key": key.text]) == "key:\(record.id)")
        shared.value.withLock { $0 = APIKeyTime(seconds: 2_000_000_000) }
        #expect(try outcome(ring, ["x-api-key": key.text]) == "the key \(record.id) has expired")
    }

    @Test("A revoked key is refused, and said to be that also when it has expired; others stay")
    func revocation() throws {
        let (old, oldRecord) = try key(expires: APIKeyTime(seconds: 1_000_000_000))
        let (new, newRecord) = try key()
        _ = try file.revoke([oldRecord.id])
        let ring = try ring()
        #expect(try outcome(ring, ["x-api-key": old.text]) == "the key \(oldRecord.id) is revoked")
        #expect(try outcome(ring, ["x-api-key": new.text]) == "key:\(newRecord.id)")
    }

    @Test("A ring does not start without its file")
    func start() {
        let error = #expect(throws: APIKeyFileError.self) { try ring() }
        #expect(error?.description.hasPrefix("there is no key file \(file.path); make a key with 'milepost") == true)
    }

    @Test("Nothing that chance sends crashes the server or gets in")
    func fuzz() throws {
        let (key, _) = try key()
        let ring = try ring()
        var chance = SeededGenerator(seed: testSeed("fuzz of API keys"))
        var refused = 0
        for _ in 0..<10_000 {
            var headers = HTTPFields()
            for _ in 0..<Int.random(in: 1...3, using: &chance) {
                let name = ["authorization", "x-api-key", "x-agent-api-key"].randomElement(using: &chance) ?? ""
                let value = Self.value(near: key.text, using: &chance)
                headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
            }
            let credentials = Credentials(headers: headers, source: "test")
            _ = ring.recognises(credentials)
            guard case .failure = ring.principalAtOnce(for: credentials) else {
                Issue.record("\(headers) got in")
                continue
            }
            refused += 1
        }
        #expect(refused == 10_000)
    }

    /// Bytes of chance, or a key that is nearly right; never the right one.
    private static func value(near key: String, using chance: inout SeededGenerator) -> String {
        let scheme = ["", "Bearer ", "bearer  ", "Basic ", "Bearer\t"].randomElement(using: &chance) ?? ""
        if Bool.random(using: &chance) {
            let bytes = (0..<Int.random(in: 0...120, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
            return scheme + ["", "mlp_"][Int.random(in: 0...1, using: &chance)] + String(decoding: bytes, as: UTF8.self)
        }
        var bytes = Array(key.utf8)
        let place = bytes.indices.randomElement(using: &chance) ?? 0
        switch Int.random(in: 0...2, using: &chance) {
        case 0: bytes[place] ^= UInt8.random(in: 1...127, using: &chance)
        case 1: bytes.remove(at: place)
        default: bytes.insert(UInt8.random(in: 33...126, using: &chance), at: place)
        }
        return scheme + String(decoding: bytes, as: UTF8.self)
    }
}
