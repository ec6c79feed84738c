package import Checkpoints
import Foundation
import GRDB
import JSON

extension SQLiteStore: StoreMaintenance {
    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        try await writer.perform("delete a thread") { transaction in
            let db = transaction.db
            let number = try thread.number(in: db)
            for (id, namespace) in try Self.placesOfWrites(thread, number, db) {
                let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
                try db.delete(from: "writes", at: key)
                try db.delete(from: "awaited_checkpoints", at: key)
            }
            transaction.forget(thread)
            guard let number else { return }
            let recent = transaction.recent
            transaction.afterCommit { recent.forget(thread: number) }
            for table in ["checkpoints", "blobs"] {
                try db.cachedStatement(sql: "DELETE FROM \(table) WHERE thread = ?").run { $0.bind(number) }
            }
            try db.cachedStatement(sql: "DELETE FROM threads WHERE tenant = ? AND thread_id = ?").run {
                $0.bind(thread.tenant.name)
                $0.bind(packed: thread.id)
            }
        }
    }

    /// The checkpoints under which a thread may have writes: its own, and those that never came.
    ///
    /// Looks at every checkpoint that is awaited, of any thread: normally a handful, those being put just now.
    private static func placesOfWrites(
        _ thread: ThreadKey,
        _ number: Int64?,
        _ db: Database
    ) throws -> [(id: Identifier, namespace: Identifier)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_id, checkpoint_ns FROM checkpoints WHERE thread = ?
                UNION ALL
                SELECT checkpoint_id, checkpoint_ns FROM awaited_checkpoints WHERE thread_id = ? AND tenant = ?
                """
        )
        var places: [(id: Identifier, namespace: Identifier)] = []
        try statement.forEachRow { parameters in
            parameters.bind(number ?? -1)
            parameters.bind(packed: thread.id)
            parameters.bind(thread.tenant.name)
        } _: { row in
            places.append((row.packed(0), row.identifier(1)))
            return true
        }
        return places
    }

    package func probe() async throws(StoreError) {
        try await writer.perform("probe the store") { transaction in
            let statement = try transaction.db.cachedStatement(
                sql: """
                    INSERT INTO probes (probe, count) VALUES (1, 1)
                    ON CONFLICT (probe) DO UPDATE SET count = count + 1
                    """
            )
            try statement.execute()
        }
    }

    package func verify() async throws(StoreError) -> [String] {
        // On a connection of its own: it takes long, and reads of agents go on meanwhile.
        let reader: SQLiteReaders
        do {
            reader = try SQLiteReaders(path: path, count: 1)
        } catch {
            throw StoreError(error, during: "verify the store")
        }
        let problems: Result<[String], StoreError>
        do throws(StoreError) {
            problems = .success(try await Self.problems(reader))
        } catch {
            problems = .failure(error)
        }
        await reader.close()
        return try problems.get()
    }

    private static func problems(_ reader: SQLiteReaders) async throws(StoreError) -> [String] {
        try await reader.perform("verify the store") { db in
            db.add(function: packedKey)
            let pages = try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
            return try pages + rowsWithoutThread(db) + writesWithoutPlace(db) + unreadableDocuments(db)
                + unreadableBlobs(db)
        }
    }

    /// `PackedKey` of a text.
    private static let packedKey = DatabaseFunction("packed_key", argumentCount: 1, pure: true) { values in
        guard var text = String.fromDatabaseValue(values[0]) else { return values[0] }
        guard let (high, low) = text.withUTF8({ PackedKey.uuid($0) }) else { return text }
        return withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Data($0) }
    }

    private static func rowsWithoutThread(_ db: Database) throws -> [String] {
        try ["checkpoints", "blobs"].compactMap { table in
            let count =
                try Int.fetchOne(
                    db,
                    sql: "SELECT count(*) FROM \(table) WHERE thread NOT IN (SELECT thread FROM threads)"
                ) ?? 0
            return count == 0 ? nil : "\(count) rows of \(table) belong to no thread"
        }
    }

    private static func writesWithoutPlace(_ db: Database) throws -> [String] {
        let count =
            try Int.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM (
                        SELECT DISTINCT checkpoint_id, thread_id, tenant, checkpoint_ns FROM writes
                        EXCEPT
                        SELECT checkpoint_id, thread_id, tenant, checkpoint_ns FROM awaited_checkpoints
                        EXCEPT
                        SELECT packed_key(checkpoint_id), thread_id, tenant, checkpoint_ns
                        FROM checkpoints JOIN threads USING (thread)
                    )
                    """
            ) ?? 0
        return count == 0 ? [] : ["the writes of \(count) checkpoints would stay when their thread is deleted"]
    }

    /// Reads every blob, and so checks every frame's checksum.
    private static func unreadableBlobs(_ db: Database) throws -> [String] {
        let statement = try db.makeStatement(
            sql: "SELECT blob, thread_id, channel FROM blobs LEFT JOIN threads USING (thread) ORDER BY blob"
        )
        var problems: [String] = []
        try statement.forEachRow { _ in
        } _: { row in
            do {
                _ = try BlobChain.read(row.integer(0), in: db)
            } catch let error as StoreError {
                problems.append(
                    "a blob of channel \(row.text(2)) in thread \(row.packed(1)) is damaged: \(error.detail)")
            }
            return true
        }
        return problems
    }

    private static func unreadableDocuments(_ db: Database) throws -> [String] {
        let statement = try db.makeStatement(
            sql: "SELECT checkpoint, metadata_bytes, encoding, payload FROM checkpoints"
        )
        var problems: [String] = []
        try statement.forEachRow { _ in
        } _: { row in
            do {
                let texts = try StoredCheckpoint.texts(in: row, from: 1)
                _ = try texts.metadata.value
                _ = try texts.document.value
            } catch {
                problems.append("the document of checkpoint row \(row.integer(0)) is damaged: \(error)")
            }
            return true
        }
        return problems
    }
}

extension SQLiteStore {
    /// Transactions committed since the store was opened.
    package var commitCount: Int { writer.commitCount }
}
