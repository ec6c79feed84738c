import Authentication
import Checkpoints
import Foundation
import JSON
import Logging
import SystemPackage
import TestSupport
import Testing

@Suite
struct AuditLogTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func withLog(_ body: (AuditLog, String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "audit-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }  // it may be gone already
        try body(AuditLog(path: FilePath(path), logger: Self.logger), path)
    }

    private func lines(_ path: String) throws -> [[String: JSONValue]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
            guard case .object(let members) = try JSONValue(parsing: Array(line.utf8)) else { return [:] }
            return Dictionary(uniqueKeysWithValues: members.map { ($0.name.string ?? "", $0.value) })
        }
    }

    private func record(_ threads: [Identifier] = []) -> AuditRecord {
        AuditRecord(
            .deleteThread,
            .begun,
            principal: Principal(name: "key:1", tenant: Tenant(name: "acme"), scopes: []),
            source: "192.0.2.1",
            requestID: "r",
            threads: threads
        )
    }

    @Test("A record is a line that says who did what to which thread, and from where")
    func record() throws {
        try withLog { log, path in
            try log.write(record(["a\n\"b"]))
            try log.write(AuditRecord(.authentication, .failed, source: "s", reason: "no credential was sent"))
            let lines = try lines(path)
            #expect(lines.count == 2)
            #expect(lines[0]["event"] == "delete-thread")
            #expect(lines[0]["outcome"] == "begun")
            #expect(lines[0]["principal"] == "key:1")
            #expect(lines[0]["tenant"] == "acme")
            #expect(lines[0]["request_id"] == "r")
            #expect(lines[0]["threads"] == ["a\n\"b"])
            #expect(lines[0]["time"] != nil)
            #expect(lines[1]["principal"] == nil)
            #expect(lines[1]["reason"] == "no credential was sent")
        }
    }

    @Test("The file is its owner's alone, is added to, and begins anew when it was moved away")
    func file() throws {
        try withLog { log, path in
            try log.check()
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            try log.write(record())
            try log.write(record())
            #expect(try lines(path).count == 2)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            defer { try? FileManager.default.removeItem(atPath: path + ".1") }  // it may be gone already
            try log.write(record())
            #expect(try lines(path).count == 1)
            #expect(try lines(path + ".1").count == 2)
        }
    }

    @Test("Of many threads the first hundred are named, and all are counted")
    func manyThreads() throws {
        try withLog { log, path in
            try log.write(record((0..<250).map { Identifier("t\($0)") }))
            let line = try #require(try lines(path).first)
            guard case .array(let named)? = line["threads"] else { return #expect(Bool(false), "no threads") }
            #expect(named.count == 100)
            #expect(line["thread_count"] == 250)
        }
    }

    @Test("What cannot be written is an error that names the option")
    func failure() {
        let log = AuditLog(path: "/nowhere/audit.jsonl", logger: Self.logger)
        let error = #expect(throws: AuditLog.Failure.self) { try log.write(record()) }
        #expect(error?.description.contains("audit-log") == true)
        #expect(throws: AuditLog.Failure.self) { try log.check() }
    }
}
