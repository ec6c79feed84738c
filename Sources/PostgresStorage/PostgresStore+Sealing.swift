package import Checkpoints
import Synchronization

extension PostgresStore: SealableStore {
    package func encryptionState() async throws(StoreError) -> EncryptionState {
        let hasMarks = try await ask("read the store's mark", PostgresStatement(Self.hasMigrations)) { $0.isTrue(0, 0) }
        guard hasMarks else { return .clear }
        let mark = try await ask("read the store's mark", PostgresStatement(PostgresSchema.markQuery)) { result in
            result.rowCount == 0 ? 0 : result.integer(0, 0)
        }
        return PostgresSchema.encryptionState(mark: mark)
    }

    /// The mark is a row of `milepost_migrations` with a version that no other program knows: one that knows nothing of
    /// encryption takes the tables for a newer one's.
    ///
    /// Blocks meanwhile.
    package func setEncryptionState(_ state: EncryptionState) async throws(StoreOpenError) {
        try PostgresSchema.mark(state, target)
    }

    package func rewrite(
        _ source: ThreadKey,
        as target: ThreadKey,
        _ transform: @escaping @Sendable (ThreadRow) throws(StoreError) -> ThreadRow
    ) async throws(StoreError) -> CopyOutcome {
        let outcome = Mutex(CopyOutcome.done)
        let refusal = Mutex<StoreError?>(nil)
        let isCopied = Mutex(false)
        let edit = ThreadEdit(
            isDeletion: true,
            telling: {
                isCopied.withLock { $0 } ? ThreadChange(target, .replaced) : nil
            }
        ) { transaction throws(PostgresFailure) in
            refusal.withLock { $0 = nil }
            if target != source {
                let state = try Self.targetState(of: target, from: source, transaction)
                isCopied.withLock { $0 = state.isEmpty }
                outcome.withLock { $0 = state.isEmpty || state.isCopy ? .done : .targetExists }
                guard state.isEmpty else { return }
            }
            let rewriting = ThreadRewriting(source: source, target: target, transaction: transaction)
            try rewriting.run { row throws(PostgresFailure) in
                do throws(StoreError) {
                    return try transform(row)
                } catch {
                    refusal.withLock { $0 = error }
                    throw .givenUp
                }
            }
        }
        do throws(StoreError) {
            try await perform(.edit(target, edit), "rewrite a thread")
        } catch {
            throw refusal.withLock { $0 } ?? error
        }
        return outcome.withLock { $0 }
    }

    private static let hasMigrations = StatementText(
        "has_migrations", "SELECT to_regclass('milepost_migrations') IS NOT NULL")
}

extension PostgresSchema {
    /// Versions in `milepost_migrations` that say that values are being sealed, or are.
    static let mixedMark = 1_001
    static let sealedMark = 1_002

    static let markQuery = StatementText(
        "encryption_mark",
        "SELECT max(version) FROM milepost_migrations WHERE version IN (\(mixedMark), \(sealedMark)) HAVING count(*) > 0"
    )

    static func encryptionState(mark: Int) -> EncryptionState {
        mark == sealedMark ? .sealed : mark == mixedMark ? .mixed : .clear
    }

    /// Refuses tables that LangGraph or Agentex made: their programs read the values.
    static func mark(_ state: EncryptionState, _ target: ConnectionString) throws(StoreOpenError) {
        let connection = try connect(target)
        if state != .clear {
            var isOwn = false
            try ask(ownQuery, connection, target) { isOwn = $0.isTrue(0, 0) }
            guard isOwn else {
                throw StoreOpenError(
                    .foreign,
                    "the tables at \(target.description) were made by LangGraph or Agentex, whose programs could not read "
                        + "encrypted values",
                    hint: "export them, and import them into a database that milepost has made"
                )
            }
        }
        var statements = [
            "DELETE FROM milepost_migrations WHERE version IN (\(mixedMark), \(sealedMark))"
        ]
        switch state {
        case .clear: break
        case .mixed: statements.append("INSERT INTO milepost_migrations (version) VALUES (\(mixedMark))")
        case .sealed: statements.append("INSERT INTO milepost_migrations (version) VALUES (\(sealedMark))")
        }
        do throws(PostgresFailure) {
            try run(.transaction(statements), on: connection)
        } catch {
            throw StoreOpenError(
                .notAccessible,
                "the store at \(target.description) cannot be marked as encrypted: \(error.message.oneLine)",
                hint: "GRANT INSERT, DELETE ON milepost_migrations to this role, or run 'milepost rekey' as their owner"
            )
        }
    }

    /// Only tables that Milepost made have ids that are `COLLATE "C"` by their definition, whatever the database's is.
    private static let ownQuery = StatementText(
        "schema_own",
        """
        SELECT coalesce((
            SELECT attcollation = 950 FROM pg_attribute
            WHERE attrelid = to_regclass('checkpoints') AND attname = 'thread_id'
        ), false)
        """,
        isPrepared: false
    )
}
