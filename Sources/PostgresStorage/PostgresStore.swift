package import Checkpoints

/// A store in a PostgreSQL database, in the tables of LangGraph's savers; any number of servers may share one.
///
/// DESIGN.md beside this file says why it is safe.
package final class PostgresStore: Sendable {
    let writer: PostgresWriter
    let readers: PostgresReaders
    let snapshots: PostgresSnapshots
    let following = PostgresFollowing()
    /// Nil for a store that is only read.
    let listener: ChangeListener?
    let target: ConnectionString
    let columns: PostgresColumns
    /// What the operator should know about how the server is set up, each a sentence.
    package let warnings: [String]

    /// Connects once, brings the tables up to date if they are not, and looks at the server's settings.
    ///
    /// Blocks meanwhile.
    ///
    /// `isReadOnly`: nothing is brought up to date. Then the store is for reading whole threads and for verifying, also
    /// where LangGraph alone has been.
    ///
    /// `observer` is told what it does.
    package init(
        _ target: ConnectionString,
        isReadOnly: Bool = false,
        observer: (any StoreObserver)? = nil
    ) throws(StoreOpenError) {
        self.target = target
        let connection = try PostgresSchema.connect(target)
        if isReadOnly {
            columns = try PostgresSchema.columns(connection, target)
        } else {
            try PostgresSchema.migrate(connection, target, isRequired: false)
            var columns = PostgresColumns()
            columns.hasSettings = try PostgresSchema.hasRetention(connection, target)
            self.columns = columns
        }
        let retention = columns.hasSettings || isReadOnly ? [] : [PostgresSchema.withoutRetention]
        warnings = try PostgresSchema.warnings(connection, target) + retention
        writer = PostgresWriter(target, following, observer)
        readers = PostgresReaders(target)
        listener = isReadOnly ? nil : ChangeListener(target, following, readers)
        snapshots = PostgresSnapshots(target)
    }

    package func close() async {
        await listener?.close()
        await readers.close()
        await snapshots.close()
        await writer.close()
    }

    /// What `decode` makes of the statement's answer.
    func ask<Value: Sendable>(
        _ operation: String,
        _ statement: PostgresStatement,
        _ decode: @escaping @Sendable (borrowing PostgresResult) -> Value
    ) async throws(StoreError) -> Value {
        try await answered { answer in
            let read = Read(operation, statement, isAlone: true) {
                answer(.failure($0))
            } finish: { result in
                answer(.success(decode(result)))
                return nil
            }
            readers.add(read)
        }
    }

    /// Returns when the change is durable.
    func perform(_ kind: Change.Kind, _ operation: String) async throws(StoreError) {
        try await answered { writer.add(Change(kind, operation, then: $0)) }
    }
}
