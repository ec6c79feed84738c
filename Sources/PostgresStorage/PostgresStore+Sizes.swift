package import Checkpoints

extension PostgresStore {
    /// The database tells lengths without reading values, but for the documents, whose texts it has to compare with their
    /// digests.
    package func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes? {
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        let statement = PostgresStatement(Self.rowSizes, parameters)
        let sizes: ThreadSizes = try await answered { answer in
            readers.add(
                Read("measure a thread", statement, isScan: true) {
                    answer(.failure($0))
                } finish: { result in
                    answer(.success(ThreadSizes(result)))
                    return nil
                }
            )
        }
        return sizes.unlessEmpty
    }

    /// Rows of three kinds in the columns kind, namespace, two ids, the number of rows, and two sums of bytes: 0: a
    /// checkpoint; 1: a channel's version; 2: the writes that follow a checkpoint.
    private static let rowSizes = StatementText(
        "row_sizes",
        """
        SELECT 0, checkpoint_ns, checkpoint_id, NULL, 1::int8,
            coalesce(octet_length(document), 0)::int8 + coalesce(octet_length(metadata), 0), stored::int8
        FROM (
            SELECT checkpoint_ns, checkpoint_id, \(StoredOutline.checkpointBytes), \(StoredCheckpoint.texts)
            FROM checkpoints WHERE thread_id = $1
        ) AS found (checkpoint_ns, checkpoint_id, stored, document, metadata)
        UNION ALL
        SELECT 1, checkpoint_ns, channel, version, 1, coalesce(octet_length(blob), 0), coalesce(pg_column_size(blob), 0)
        FROM checkpoint_blobs WHERE thread_id = $1
        UNION ALL
        SELECT 2, checkpoint_ns, checkpoint_id, NULL, count(*), coalesce(sum(octet_length(blob)), 0)::int8,
            coalesce(sum(pg_column_size(blob)), 0)::int8
        FROM checkpoint_writes WHERE thread_id = $1 GROUP BY checkpoint_ns, checkpoint_id
        """
    )
}

extension ThreadSizes {
    fileprivate init(_ result: borrowing PostgresResult) {
        self.init()
        for row in 0..<result.rowCount {
            let (namespace, id) = (result.identifier(row, 1), result.identifier(row, 2))
            let place = CheckpointPlace(namespace: namespace, id: id)
            let size = Size(logical: result.integer(row, 5), stored: result.integer(row, 6))
            switch result.integer(row, 0) {
            case 0: checkpoints[place] = size
            case 1:
                let version = ChannelVersion(channel: id, version: result.identifier(row, 3))
                blobs[ThreadOutline.BlobKey(namespace: namespace, version: version)] = size
            default: writes[place] = Rows(count: result.integer(row, 4), size: size)
            }
        }
    }
}
