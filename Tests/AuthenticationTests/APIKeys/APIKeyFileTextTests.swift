import Authentication
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("The text of a key file")
struct APIKeyFileTextTests {
    private static let hash = String(repeating: "0f", count: 32)
    private static let members = [
        ("id", #""a""#), ("sha256", "\"\(hash)\""), ("tenant", #""""#), ("scopes", #"["read"]"#),
        ("created", #""2026-01-01T00:00:00Z""#), ("expires", "null"), ("thread_prefix", #""""#), ("note", #""""#),
        ("revoked", "null"),
    ]

    /// A key with some members as they are given; nil leaves one out.
    private static func key(_ changes: [String: String?] = [:], and more: String = "") -> String {
        let known = members.compactMap { name, value in
            (changes[name] ?? .some(value)).map { "\"\(name)\": \($0)" }
        }
        return "{\(known.joined(separator: ", "))\(more)}"
    }

    private static func file(_ keys: String...) -> String {
        "{\"keys\": [\(keys.joined(separator: ", "))]}"
    }

    private static let secret = "mlp_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2fvgjJ"
    private static let other = String(repeating: "1e", count: 32)

    private func read(_ text: String) throws -> Result<[APIKeyRecord], APIKeyFileError> {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys.json")
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        return Result { () throws(APIKeyFileError) in try APIKeyFile(path: path).read() }
    }

    @Test("One that is right is read, whatever its white space and the order of its members")
    func right() throws {
        #expect(try read(#"{"keys":[]}"#).get().isEmpty)
        let keys = try read(Self.file(Self.key(), Self.key(["id": #""b""#, "sha256": "\"\(Self.other)\""]))).get()
        #expect(keys.map(\.id) == ["a", "b"])
        let offset = try read(Self.file(Self.key(["expires": #""2026-01-01T01:00:00+01:00""#]))).get()
        #expect(offset.first?.expires == offset.first?.created)
    }

    @Test(
        "What is wrong is named with its place",
        arguments: [
            ("", "Expecting value: byte 0 (char 0)"),
            ("[]", "the file is not an object"),
            ("{}", "the file has no 'keys'"),
            (#"{"keys": {}}"#, "keys is not an array"),
            (#"{"keys": [], "version": 1}"#, "the file has 'version' that is not known; known are keys"),
            (#"{"keys": [], "keys": []}"#, "the file has 'keys' twice"),
            (#"{"keys": [1]}"#, "keys[0] is not an object"),
            (file(key(), key(["id": #""b""#, "note": nil])), "keys[1] has no 'note'"),
            (file(key(and: #", "expire": null"#)), "keys[0] has 'expire' that is not known; known are id, sha256, "),
            (file(key(and: #", "note": "x""#)), "keys[0] has 'note' twice"),
            (file(key(["id": "7"])), "keys[0].id is not a string"),
            (file(key(["id": #""""#])), "keys[0].id is not a name of 1 to 64 letters"),
            (file(key(["id": #""a\nb""#])), "keys[0].id is not a name of 1 to 64 letters"),
            (file(key(["sha256": #""abc""#])), "keys[0].sha256 is not 64 hexadecimal digits"),
            (file(key(["tenant": "null"])), "keys[0].tenant is not a string"),
            (file(key(["tenant": #""\ud800""#])), "keys[0].tenant is not a string"),
            (file(key(["scopes": #""read""#])), "keys[0].scopes is not an array"),
            (
                file(key(["scopes": #"["read", "root"]"#])),
                "keys[0].scopes[1] is not a scope; scopes are read, write, delete, admin, inspect"
            ),
            (file(key(["scopes": #"["Read"]"#])), "keys[0].scopes[0] is not a scope"),
            (file(key(["created": "null"])), "keys[0].created is null"),
            (file(key(["expires": #""tomorrow""#])), "keys[0].expires is not a time such as 2026-01-31T23:59:59Z"),
            (file(key(["expires": "1795718538"])), "keys[0].expires is not a time"),
            (file(key(["revoked": "true"])), "keys[0].revoked is not a time"),
            (file(key(["sha256": "\"\(other)\""]), key()), "keys[1].id is that of keys[0] too"),
            (file(key(["id": #""b""#]), key()), "keys[1].sha256 is that of keys[0] too"),
            (file(key()) + "x", "Extra data: byte"),
        ]
    )
    func wrong(_ text: String, _ problem: String) throws {
        guard case .failure(let error) = try read(text) else {
            Issue.record("it was read")
            return
        }
        #expect(error.kind == .malformed)
        #expect(error.problem.contains("is not right: \(problem)"), "\(error.problem)")
    }

    @Test(
        "A key that was put into it by mistake is not repeated",
        arguments: [
            key(["sha256": "\"\(secret)\""]), key(["id": "\"\(secret) \""]), key(["scopes": "[\"\(secret)\"]"]),
            key(["expires": "\"\(secret)\""]), key(and: ", \"\(secret)\": 1"), secret,
        ]
    )
    func secrets(_ key: String) throws {
        guard case .failure(let error) = try read(Self.file(key)) else {
            Issue.record("it was read")
            return
        }
        #expect(!error.description.contains("mlp_"))
    }
}
