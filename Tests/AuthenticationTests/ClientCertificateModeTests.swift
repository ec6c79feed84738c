import Authentication
import Checkpoints
import Foundation
import HTTPTypes
import Logging
import TestSupport
import Testing

/// Callers known by the names in their certificate.
@Suite("Client certificate mode")
struct ClientCertificateModeTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let agent = """
        {"name":"URI:spiffe://example/agent","tenant":"acme","scopes":["read","write"],"thread_prefix":"a-"}
        """
    private static let other = #"{"name":"DNS:other","tenant":"","scopes":["admin"]}"#

    private let directory: TemporaryDirectory
    private var path: String { directory.file("clients.json") }

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ text: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func mode(_ text: String) throws -> ClientCertificateMode {
        try write(text)
        return try ClientCertificateMode(file: path, logger: Self.logger)
    }

    private func credentials(_ names: [String]) -> Credentials {
        Credentials(headers: [:], certificateNames: names, source: "192.0.2.1")
    }

    @Test("a name stands for its caller, exactly and beside names that stand for nobody")
    func known() async throws {
        let mode = try mode("[\(Self.agent),\(Self.other)]")
        let principal = Principal(
            name: "mtls:URI:spiffe://example/agent", tenant: Tenant(name: "acme"), scopes: [.read, .write],
            threadPrefix: "a-"
        )
        for names in [["URI:spiffe://example/agent"], ["DNS:x", "URI:spiffe://example/agent"]] {
            #expect(mode.recognises(credentials(names)))
            #expect(mode.principalAtOnce(for: credentials(names)) == .success(principal))
            #expect(await mode.principal(for: credentials(names)) == .success(principal))
        }
        #expect(!mode.recognises(credentials([])))
    }

    @Test(
        "a certificate of nobody, or of two, is refused",
        arguments: [
            ["URI:spiffe://example/agent/"], ["URI:spiffe://EXAMPLE/agent"], ["DNS:spiffe://example/agent"],
            ["spiffe://example/agent"], ["URI:spiffe://example/agent", "DNS:other"],
        ]
    )
    func refused(_ names: [String]) throws {
        let mode = try mode("[\(Self.agent),\(Self.other)]")
        guard case .failure = mode.principalAtOnce(for: credentials(names)) else {
            Issue.record("\(names) was let in")
            return
        }
        #expect(mode.recognises(credentials(names)))
    }

    @Test("a changed file is taken up, and a bad one keeps the old")
    func reload() throws {
        let mode = try mode("[\(Self.agent)]")
        func isKnown(_ name: String) throws -> Bool {
            try mode.principalAtOnce(for: credentials([name]))?.get() != nil
        }
        #expect(try isKnown("URI:spiffe://example/agent"))
        for text in ["[", "[\(Self.agent),\(Self.agent)]", ""] {
            try write(text)
            for _ in 0..<3 { mode.look() }
            #expect(try isKnown("URI:spiffe://example/agent"))
        }
        try write("[\(Self.other)]")
        for _ in 0..<2 { mode.look() }
        #expect(try isKnown("DNS:other"))
        #expect(throws: AuthenticationFailure.self) { try isKnown("URI:spiffe://example/agent") }
    }

    @Test(
        "a file that is not right is refused with its place",
        arguments: [
            ("{}", "an array"), ("[1]", "entry 1"), (#"[{"tenant":"","scopes":[]}]"#, "'name'"),
            (#"[{"name":"DNS:*.x","tenant":"","scopes":[]}]"#, "cannot have a *"),
            (#"[{"name":"x","tenant":"","scopes":[]}]"#, "URI:"), (#"[{"name":"DNS:x","scopes":[]}]"#, "'tenant'"),
            (#"[{"name":"DNS:x","tenant":"","scopes":["all"]}]"#, "'scopes' may have read"),
            (#"[{"name":"DNS:x","tenant":"","scopes":"read"}]"#, "'scopes'"),
            (#"[{"name":"DNS:x","tenant":"","scopes":[],"thread_prefix":1}]"#, "'thread_prefix'"),
            (#"[{"name":"DNS:x","tenant":"","scopes":[],"prefix":""}]"#, "'prefix'"), ("nonsense", "not JSON"),
        ]
    )
    func malformed(_ text: String, _ sentence: String) throws {
        let error = #expect(throws: ClientCertificateFileError.self) { try mode(text) }
        #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
        #expect(error?.description.contains("--client-certificates-file") == true)
    }

    @Test("a file that is not there is refused")
    func missing() {
        #expect(throws: ClientCertificateFileError.self) {
            try ClientCertificateMode(file: path, logger: Self.logger)
        }
    }
}
