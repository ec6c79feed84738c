import Checkpoints
import Foundation
import GRDB
import SQLiteStorage
import TestSupport
import Testing

/// A restore that is ended after any step leaves the old store or the new one.
@Suite("Restore", .timeLimit(.minutes(5)))
struct RestoreTests {
    private struct Stopped: Error {}

    /// What the store at `path` has before, with changes in its log, as a crash of the server leaves it; and a backup.
    private struct Places {
        let directory: TemporaryDirectory
        let path: String
        let backup: String
        let old: [ThreadKey: [ThreadRow]]
        let new: [ThreadKey: [ThreadRow]]

        init(hasLog: Bool = true) async throws {
            directory = try TemporaryDirectory()
            path = directory.file("a.db")
            backup = directory.file("backup.db")
            let other = try SQLiteStore(path: directory.file("other.db"))
            try await Self.put("new", other)
            try Data().write(to: URL(fileURLWithPath: backup))
            _ = try SQLiteBackup.copy(from: directory.file("other.db"), to: backup)
            new = try await other.contents()
            await other.close()
            let served = directory.file("served.db")
            let store = try SQLiteStore(path: served)
            try await Self.put("old", store)
            old = try await store.contents()
            if !hasLog { await store.close() }
            for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: served + suffix) {
                try FileManager.default.copyItem(atPath: served + suffix, toPath: path + suffix)
            }
            await store.close()
            #expect(FileManager.default.fileExists(atPath: path + "-wal") == hasLog)
        }

        private static func put(_ name: String, _ store: SQLiteStore) async throws {
            for number in 0..<4 {
                let key = CheckpointKey.sample(thread: ThreadKey(Identifier("\(name)\(number)")))
                try await store.put(.sample(key), blobs: [.sample("a", "1", Array(name.utf8))])
            }
        }

        func contents(_ path: String? = nil) async throws -> [ThreadKey: [ThreadRow]] {
            let store = try SQLiteStore(path: path ?? self.path)
            let contents = try await store.contents()
            #expect(try await store.verify() == [])
            await store.close()
            return contents
        }

        /// All steps, ended by `reached`.
        func restore(_ reached: (SQLiteRestore.Step) throws -> Void = { _ in }) async throws {
            let restore = try SQLiteRestore(backup, to: path, replaces: true)
            try restore.copy(expecting: nil)
            try reached(.copied)
            #expect(try await restore.verify { _ in }.damage == [])
            try reached(.verified)
            try restore.replace(reached: reached)
        }

        var names: [String] {
            get throws { try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() }
        }
    }

    @Test("the backup is in the store's place, and the old store beside it", arguments: [true, false])
    func restored(hasLog: Bool) async throws {
        let places = try await Places(hasLog: hasLog)
        try await places.restore()
        #expect(
            try places.names == [
                "a.db", "a.db.before-restore", "a.db.lock", "backup.db", "other.db", "other.db.lock",
                "served.db", "served.db.lock",
            ]
        )
        #expect(try await places.contents() == places.new)
        #expect(try await places.contents(places.path + ".before-restore") == places.old)
        let attributes = try FileManager.default.attributesOfItem(atPath: places.path)
        #expect((attributes[.posixPermissions] as? Int) == 0o600)
    }

    @Test(
        "ended after any step, there is the old store or the new one, whole, and the next restore ends well",
        arguments: SQLiteRestore.Step.allCases, [true, false])
    func ended(_ last: SQLiteRestore.Step, hasLog: Bool) async throws {
        let places = try await Places(hasLog: hasLog)
        await #expect(throws: Stopped.self) {
            try await places.restore { if $0 == last { throw Stopped() } }
        }
        // As another process finds it: with its log, if that is there.
        #expect(try await places.contents() == (last == .replaced ? places.new : places.old))
        if last == .replaced {
            #expect(throws: StoreOpenError.self) { try SQLiteRestore(places.backup, to: places.path, replaces: true) }
            try FileManager.default.removeItem(atPath: places.path + ".before-restore")
        }
        try await places.restore()
        #expect(try await places.contents() == places.new)
        let names = try places.names.filter { $0.hasPrefix("a.db") }
        #expect(names == ["a.db", "a.db.before-restore", "a.db.lock"])
    }

    @Test("an old file that is no database is kept as it is, and its log is never the new file's")
    func unreadable() async throws {
        let places = try await Places()
        let wreck = Data(Array("no database".utf8) + [UInt8](repeating: 1, count: 8_181))
        try wreck.write(to: URL(fileURLWithPath: places.path))
        try Data(count: 4_096).write(to: URL(fileURLWithPath: places.path + "-wal"))
        try await places.restore()
        #expect(!FileManager.default.fileExists(atPath: places.path + "-wal"))
        #expect(try await places.contents() == places.new)
        #expect(try Data(contentsOf: URL(fileURLWithPath: places.path + ".before-restore")) == wreck)
    }

    @Test("a log without its file is put aside")
    func orphan() async throws {
        let places = try await Places()
        try FileManager.default.removeItem(atPath: places.path)
        try await places.restore()
        #expect(try await places.contents() == places.new)
        #expect(FileManager.default.fileExists(atPath: places.path + ".before-restore-wal"))
    }

    @Test("while somebody reads the store its log cannot be moved, and nothing is replaced")
    func read() async throws {
        let places = try await Places()
        let reader = try DatabaseQueue(path: places.path)
        try await reader.read { db in
            _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM threads")
            let restore = try SQLiteRestore(places.backup, to: places.path, replaces: true)
            try restore.copy(expecting: nil)
            let error = #expect(throws: StoreOpenError.self) { try restore.replace() }
            #expect(error?.kind == .locked)
        }
        try reader.close()
        #expect(try await places.contents() == places.old)
    }

    @Test("a store that is open, one that is there, the backup itself and a used store are refused")
    func refused() async throws {
        let places = try await Places(hasLog: false)
        func refusal(_ backup: String, replaces: Bool = true) -> String {
            let error = #expect(throws: StoreOpenError.self) {
                try SQLiteRestore(backup, to: places.path, replaces: replaces)
            }
            return error?.description ?? ""
        }
        #expect(refusal(places.backup, replaces: false).contains("--replace"))
        #expect(refusal(places.path).contains("is the store itself"))
        #expect(refusal(places.directory.path).contains("is not a file"))
        #expect(refusal(places.directory.file("none")).contains("none"))
        try Data([1]).write(to: URL(fileURLWithPath: places.backup + "-wal"))
        #expect(refusal(places.backup).contains("has a log beside it"))
        try FileManager.default.removeItem(atPath: places.backup + "-wal")
        let store = try SQLiteStore(path: places.path)
        #expect(refusal(places.backup).contains("in use"))
        await store.close()
        #expect(try await places.contents() == places.old)
    }

    @Test("a backup of an earlier layout is brought up to date before it is looked at")
    func earlierLayout() async throws {
        let places = try await Places()
        let database = try DatabaseQueue(path: places.backup)
        try await database.write { db in
            try db.execute(sql: "DROP TABLE thread_settings")
            try db.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = '4 thread settings'")
            #expect(db.changesCount == 1)
        }
        try database.close()
        let before = try Checksum(of: places.backup)
        try await places.restore()
        #expect(try await places.contents() == places.new)
        #expect(try Checksum(of: places.backup) == before, "the backup is as it was")
        #expect(try places.names.filter { $0.contains("restoring") } == [])
    }

    @Test("another file than the one backed up, one that is no store and one of a later layout are not restored")
    func strangers() async throws {
        let places = try await Places(hasLog: false)
        let expected = try Checksum(of: places.backup)
        func copying(_ body: (DatabaseQueue) throws -> Void) throws -> StoreOpenError? {
            let database = try DatabaseQueue(path: places.backup)
            try body(database)
            try database.close()
            let restore = try SQLiteRestore(places.backup, to: places.path, replaces: true)
            return #expect(throws: StoreOpenError.self) { try restore.copy(expecting: nil) }
        }
        let restore = try SQLiteRestore(places.backup, to: places.path, replaces: true)
        let other = try Checksum(of: places.path)
        let changed = #expect(throws: StoreOpenError.self) { try restore.copy(expecting: other) }
        #expect(changed?.description.contains(expected.digits) == true)
        _ = consume restore
        let newer = try copying { database in
            try database.write { db in
                try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('9999 what comes later')")
            }
        }
        #expect(newer?.kind == .newerSchema)
        #expect(newer?.description.contains("restoring") == false, "the file that the operator named")
        let foreign = try copying { try $0.write { try $0.execute(sql: "PRAGMA application_id = 7") } }
        #expect(foreign?.kind == .foreign)
        try Data("This is not a database. ".utf8).write(to: URL(fileURLWithPath: places.backup))
        let nothing = try SQLiteRestore(places.backup, to: places.path, replaces: true)
        #expect(throws: StoreOpenError.self) { try nothing.copy(expecting: nil) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: places.path)).count > 0)
    }
}
