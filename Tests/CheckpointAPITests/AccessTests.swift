import Authentication
import CheckpointAPI
import Checkpoints
import Foundation
import Logging
import SystemPackage
import Testing

/// Keys of a real file in front of the calls, on real sockets: on the way that short requests take and on the other.
@Suite("Access", .timeLimit(.minutes(5)))
struct AccessTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private struct Server {
        let server: TestServer
        let keys: [String: String]
        let audit: String

        /// The status of a call, and the whole answer; sent as one piece, or with a body that is streamed.
        func post(_ call: String, _ body: String, key: String?, isStreamed: Bool) async throws -> String {
            var client = try await RawClient(server)
            let credential = key.map { "authorization: Bearer \($0)\r\n" } ?? ""
            let start =
                "POST /checkpoints/\(call) HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\(credential)"
            try await client.send(
                isStreamed
                    ? start + "transfer-encoding: chunked\r\n\r\n"
                        + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                    : start + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return await client.answer()
        }

        func records() throws -> String { try String(contentsOfFile: audit, encoding: .utf8) }
    }

    private func run(
        store: some ThreadStore & StoreMaintenance = MemoryStore(),
        rates: TokenBuckets<Principal.Caller>? = nil,
        isAuditable: Bool = true,
        _ body: @escaping @Sendable (Server) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "access-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }  // it may be gone already
        let file = APIKeyFile(path: directory + "/keys.json")
        var keys: [String: String] = [:]
        let wanted: [(String, String, Set<Scope>, Identifier)] = [
            ("all", "a", [.read, .write, .delete], ""), ("reader", "a", [.read], ""), ("writer", "a", [.write], ""),
            ("prefixed", "a", [.read, .write, .delete], "p-"), ("other", "b", [.read, .write, .delete], ""),
        ]
        for (name, tenant, scopes, prefix) in wanted {
            let made = try file.create(
                tenant: Tenant(name: Identifier(tenant)), scopes: scopes, expires: nil, threadPrefix: prefix, note: name
            )
            keys[name] = made.0.text
        }
        let audit = isAuditable ? directory + "/audit.jsonl" : directory + "/missing/audit.jsonl"
        let access = AccessControl(
            authenticator: Authenticator([try APIKeyRing(file: file, logger: Self.logger)]),
            rates: rates,
            audit: AuditLog(path: FilePath(audit), logger: Self.logger)
        )
        let interface = buildInterface(store: store, access: access, logger: Self.logger)
        let all = keys
        try await TestServer.run(interface) { server in
            try await body(Server(server: server, keys: all, audit: audit))
        }
    }

    private static let write =
        #"{"thread_id":"t","checkpoint_id":"1","writes":[{"task_id":"t","idx":0,"channel":"c","type":"x","blob":""}]}"#

    @Test("Nobody gets in without a good key, on either way", arguments: [false, true])
    func authentication(_ isStreamed: Bool) async throws {
        let store = MemoryStore()
        try await run(store: store) { server in
            let good = try #require(server.keys["all"])
            for key in [nil, "", "mlp_x", good + "x", String(good.dropLast()), good.uppercased()] {
                let answer = try await server.post("put-writes", Self.write, key: key, isStreamed: isStreamed)
                #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(key ?? "none")")
                #expect(answer.lowercased().contains("www-authenticate: bearer"))
            }
            #expect(try await store.threads(of: Tenant(name: "a"), after: nil, limit: 10).isEmpty)
            let answer = try await server.post("put-writes", Self.write, key: good, isStreamed: isStreamed)
            #expect(answer.hasPrefix("HTTP/1.1 204 "))
            #expect(try await store.threads(of: Tenant(name: "a"), after: nil, limit: 10).count == 1)
            #expect(try await store.threads(of: .default, after: nil, limit: 10).isEmpty)
            let records = try server.records()
            #expect(records.split(separator: "\n").count == 6)
            #expect(!records.contains(good))
        }
    }

    @Test("A stranger's body is not waited for")
    func body() async throws {
        try await run { server in
            var client = try await RawClient(server.server)
            try await client.send(
                "POST /checkpoints/put HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n"
            )
            #expect(await client.answer().hasPrefix("HTTP/1.1 401 "))
            #expect(server.server.budget.bytesInUse == 0)
        }
    }

    @Test("A key does what its scopes and its prefix say, on either way", arguments: [false, true])
    func scopes(_ isStreamed: Bool) async throws {
        try await run { server async throws in
            func status(_ call: String, _ body: String, _ key: String) async throws -> String {
                String(
                    try await server.post(call, body, key: server.keys[key], isStreamed: isStreamed).dropFirst(9)
                        .prefix(3))
            }
            #expect(try await status("put-writes", Self.write, "reader") == "403")
            #expect(try await status("get-tuple", #"{"thread_id":"t"}"#, "reader") == "200")
            #expect(try await status("delete-thread", #"{"thread_id":"t"}"#, "writer") == "403")
            #expect(try await status("get-tuple", #"{"thread_id":"t"}"#, "writer") == "403")
            let copy = #"{"source_thread_id":"t","target_thread_id":"u"}"#
            #expect(try await status("copy-thread", copy, "writer") == "403")
            #expect(try await status("get-tuple", #"{"thread_id":"t"}"#, "prefixed") == "403")
            #expect(try await status("get-tuple", #"{"thread_id":"p-t"}"#, "prefixed") == "200")
            #expect(try await status("list", #"{"across_threads":true}"#, "prefixed") == "403")
            #expect(try await status("delete-for-runs", #"{"run_ids":["r"]}"#, "prefixed") == "403")
            #expect(try server.records().contains("without the scope delete"))
        }
    }

    @Test("A principal that asks too often is told when to come back; another goes on", arguments: [false, true])
    func rate(_ isStreamed: Bool) async throws {
        try await run(rates: TokenBuckets(perSecond: 0.001, burst: 2)) { server in
            func answer(_ key: String) async throws -> String {
                try await server.post("get-tuple", #"{"thread_id":"t"}"#, key: server.keys[key], isStreamed: isStreamed)
            }
            for _ in 0..<2 { #expect(try await answer("all").hasPrefix("HTTP/1.1 200 ")) }
            let refused = try await answer("all")
            #expect(refused.hasPrefix("HTTP/1.1 429 "))
            #expect(refused.lowercased().contains("retry-after: "))
            #expect(try await answer("other").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test("What cannot be written down does not happen")
    func unaudited() async throws {
        let store = MemoryStore()
        let thread = ThreadKey("t", tenant: Tenant(name: "a"))
        try await run(store: store, isAuditable: false) { server in
            let key = server.keys["all"]
            #expect(try await server.post("put-writes", Self.write, key: key, isStreamed: false).contains(" 204 "))
            let answer = try await server.post("delete-thread", #"{"thread_id":"t"}"#, key: key, isStreamed: false)
            #expect(answer.hasPrefix("HTTP/1.1 503 "))
            #expect(try await store.summary(of: thread) != nil)
            // Nothing is deleted by a dry run: there is nothing to write down.
            let dry = #"{"thread_ids":["t"],"dry_run":true}"#
            #expect(try await server.post("prune", dry, key: key, isStreamed: false).hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test(
        "What deletes and copies is written down before and after",
        arguments: ["delete-thread", "copy-thread", "prune"])
    func audited(_ call: String) async throws {
        try await run { server in
            let bodies = [
                "delete-thread": #"{"thread_id":"t"}"#, "prune": #"{"thread_ids":["t"]}"#,
                "copy-thread": #"{"source_thread_id":"t","target_thread_id":"u"}"#,
            ]
            let body = try #require(bodies[call])
            let answer = try await server.post(call, body, key: server.keys["all"], isStreamed: false)
            #expect(answer.hasPrefix("HTTP/1.1 20"))
            let lines = try server.records().split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines.first?.contains("\"event\":\"\(call)\",\"outcome\":\"begun\"") == true)
            #expect(lines.last?.contains("\"event\":\"\(call)\",\"outcome\":\"done\"") == true)
        }
    }
}
