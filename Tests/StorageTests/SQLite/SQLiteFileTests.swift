import Checkpoints
import Foundation
import GRDB
import JSON
import SQLiteStorage
import TestSupport
import Testing

/// What the file is like, and which files are refused.
@Suite("The SQLite file", .timeLimit(.minutes(5)))
struct SQLiteFileTests {
    @Test("a new file is readable by its user alone, and so are the files beside it")
    func mode() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await store.put(.sample(), blobs: [])
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db.lock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.file(name))
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
        await store.close()
    }

    @Test("a closed store leaves one file with everything in it")
    func closing() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await store.put(.sample(), blobs: [])
        _ = try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1")))
        await store.close()
        #expect(!FileManager.default.fileExists(atPath: directory.file("a.db-wal")))
        let again = try SQLiteStore(path: directory.file("a.db"))
        #expect(try await again.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))).count == 1)
        await again.close()
    }

    @Test("its pragmas are those the promise rests on")
    func pragmas() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        await store.close()
        try await DatabaseQueue(path: directory.file("a.db")).read { db in
            func pragma(_ name: String) throws -> String? { try String.fetchOne(db, sql: "PRAGMA \(name)") }
            #expect(try pragma("journal_mode") == "wal")
            #expect(try pragma("auto_vacuum") == "2")
            #expect(try pragma("page_size") == "4096")
            #expect(try pragma("application_id") == String(0x4D69_6C65))
            let tables = try Row.fetchAll(db, sql: "SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
            let loose = tables.filter { $0["strict"] == 0 }.map { $0["name"] as String }
            #expect(Set(loose).subtracting(["grdb_migrations", "sqlite_schema", "sqlite_sequence"]) == [])
        }
    }

    @Test("the writer runs with synchronous = FULL")
    func synchronous() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        let level = try await store.onWriter { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
        #expect(level == 2)
        await store.close()
    }

    @Test("a second store on one file is refused, also through a link, and let in once the first is closed")
    func lock() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try FileManager.default.createSymbolicLink(atPath: directory.file("link.db"), withDestinationPath: path)
        for name in [path, directory.file("link.db")] {
            let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: name) }
            #expect(error?.kind == .locked)
            #expect(error?.description.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
        }
        await store.close()
        let next = try SQLiteStore(path: path)
        await next.close()
    }

    @Test("a link to a file that is not there yet is the same store as that file")
    func linkToNothing() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("real.db")
        try FileManager.default.createSymbolicLink(atPath: directory.file("link.db"), withDestinationPath: path)
        let store = try SQLiteStore(path: directory.file("link.db"))
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: path) }
        #expect(error?.kind == .locked)
        await store.close()
    }

    @Test("a file that is not a database is refused and left as it is")
    func garbage() throws {
        let directory = try TemporaryDirectory()
        let bytes = Data((0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try bytes.write(to: URL(fileURLWithPath: directory.file("a.db")))
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: directory.file("a.db")) }
        #expect(error?.kind == .corrupt)
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.file("a.db"))) == bytes)
    }

    @Test("another program's database is refused and left as it is")
    func foreign() throws {
        let directory = try TemporaryDirectory()
        try DatabaseQueue(path: directory.file("a.db")).write { db in
            try db.execute(sql: "CREATE TABLE theirs (x)")
        }
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: directory.file("a.db")) }
        #expect(error?.kind == .foreign)
        let tables = try DatabaseQueue(path: directory.file("a.db")).read { db in
            try String.fetchAll(db, sql: "SELECT name FROM sqlite_master")
        }
        #expect(tables == ["theirs"])
    }

    @Test("a layout newer than the program is refused")
    func newer() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        await store.close()
        try await DatabaseQueue(path: directory.file("a.db")).write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('99 from the future')")
        }
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: directory.file("a.db")) }
        #expect(error?.kind == .newerSchema)
    }

    @Test(
        "a path that cannot be a file is refused with what to do",
        arguments: ["missing/a.db", "", "file.txt/a.db"]
    )
    func unusable(_ name: String) throws {
        let directory = try TemporaryDirectory()
        try Data().write(to: URL(fileURLWithPath: directory.file("file.txt")))
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: directory.file(name)) }
        #expect(error?.kind == .notAccessible)
        #expect(error?.description.hasSuffix("this user may write to") == true)
    }

    @Test("a deleted thread leaves none of its bytes in the file")
    func erasure() async throws {
        let directory = try TemporaryDirectory()
        let mark = "erase-me-0123456789"
        let store = try SQLiteStore(path: directory.file("a.db"))
        let document = JSONText(stringLiteral: #"{"note":"\#(mark)","channel_versions":{"a":"1"}}"#)
        let key = CheckpointKey.sample(thread: ThreadKey(Identifier(mark)))
        try await store.put(.sample(key, document: document), blobs: [.sample("a", "1", Array(mark.utf8))])
        let large = Array(String(repeating: mark, count: 1_000).utf8)
        try await store.putWrites([.sample("t", 0, large)], for: key, onConflict: .keepFirst)
        try await store.put(.sample(), blobs: [])
        try await store.deleteThread(ThreadKey(Identifier(mark)))
        await store.close()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: directory.file("a.db")))
        #expect(bytes.range(of: Data(mark.utf8)) == nil)
        #expect(bytes.range(of: Data(#"{"id":"c1"}"#.utf8)) != nil, "another thread's document is where this looks")
    }
}
