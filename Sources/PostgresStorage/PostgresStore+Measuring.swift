package import Checkpoints

extension PostgresStore {
    package var load: StoreLoad {
        StoreLoad(lanes: writer.lanes + readers.lanes)
    }

    package func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void) {
        readers.add(
            Read("measure the store", PostgresStatement(Self.size), isAlone: true) {
                answer(.failure($0))
            } finish: { result in
                answer(.success(StoreSizes(bytes: result.isNull(0, 0) ? nil : result.integer(0, 0))))
                return nil
            }
        )
    }

    /// An estimate: what the database's statistics say, nil before it has made any.
    package func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void) {
        readers.add(
            Read("count threads", PostgresStatement(Self.threadEstimate), isAlone: true) {
                answer(.failure($0))
            } finish: { result in
                answer(.success(result.rowCount == 0 || result.isNull(0, 0) ? nil : result.integer(0, 0)))
                return nil
            }
        )
    }

    /// With indexes and what is kept beside the rows.
    private static let size = StatementText(
        "size",
        """
        SELECT sum(pg_total_relation_size(table_id))::int8
        FROM unnest(ARRAY[
            to_regclass('checkpoints'), to_regclass('checkpoint_blobs'), to_regclass('checkpoint_writes')
        ]) AS table_id
        WHERE table_id IS NOT NULL
        """
    )

    /// A negative number of different values is a part of the rows.
    /// https://www.postgresql.org/docs/15/view-pg-stats.html
    private static let threadEstimate = StatementText(
        "thread_estimate",
        """
        SELECT (CASE WHEN n_distinct < 0 THEN -n_distinct * greatest(reltuples, 0) ELSE n_distinct END)::int8
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_stats ON schemaname = nspname AND tablename = relname AND attname = 'thread_id'
        WHERE pg_class.oid = to_regclass('checkpoints')
        """
    )
}
