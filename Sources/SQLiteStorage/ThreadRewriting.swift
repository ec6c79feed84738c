import Checkpoints
import GRDB
import JSON

/// Gives a thread what is made of another's rows, or of its own, in the writer's transaction.
///
/// The new rows have a thread number of their own, also where the thread is the same: so a key of `RecentBlobs` names the same
/// bytes for ever.
struct ThreadRewriting {
    /// Rows and bytes that are held at once, but for a single row that has more.
    private static let pageRows = 64
    private static let pageBytes = 4 << 20

    private let source: ThreadKey
    private let target: ThreadKey
    /// The number of the rows that are read; nil when there are only writes.
    private let number: Int64?
    private let rows: StoredThread
    private let transaction: SQLiteWriter.Transaction
    private var db: Database { transaction.db }
    private var isInPlace: Bool { target == source }

    init(_ source: ThreadKey, as target: ThreadKey, _ transaction: SQLiteWriter.Transaction) throws {
        self.source = source
        self.target = target
        self.transaction = transaction
        number = try source.number(in: transaction.db)
        rows = try StoredThread(source, transaction.db)
    }

    /// A row is always read before anything is added that could be in its way.
    func run(_ transform: (ThreadRow) throws(StoreError) -> ThreadRow) throws {
        if isInPlace { try freeName() }
        var page = Page()
        try rows.forEachRow { row throws(StoreError) in
            do {
                if isInPlace, case .write(let namespace, let id, _) = row, page.begins(namespace, id) {
                    try add(&page)
                    // All of its writes have been read by now.
                    try db.delete(
                        from: "writes", at: CheckpointKey(thread: source, namespace: namespace, id: id))
                }
                page.add(try transform(row))
                if page.rows.count >= Self.pageRows || page.bytes >= Self.pageBytes { try add(&page) }
            } catch {
                throw StoreError(error, during: "rewrite a thread")
            }
        }
        try add(&page)
        if isInPlace { try deleteOld() }
    }

    private struct Page {
        private(set) var rows: [ThreadRow] = []
        private(set) var bytes = 0
        private var place: CheckpointPlace?

        /// Whether a write is the first of its checkpoint's.
        mutating func begins(_ namespace: Identifier, _ id: Identifier) -> Bool {
            let next = CheckpointPlace(namespace: namespace, id: id)
            defer { place = next }
            return place != next
        }

        mutating func add(_ row: ThreadRow) {
            rows.append(row)
            switch row {
            case .blob(_, let blob): bytes += blob.bytes?.count ?? 0
            case .write(_, _, let write): bytes += write.bytes.count
            case .checkpoint(let checkpoint):
                bytes += checkpoint.document.bytes.count + checkpoint.metadata.bytes.count
            }
        }

        mutating func takeAll() -> [ThreadRow] {
            defer { (rows, bytes) = ([], 0) }
            return rows
        }
    }

    private func add(_ page: inout Page) throws {
        for change in SQLiteStore.changes(adding: page.takeAll(), to: target) { try change(transaction) }
    }

    /// What is added to the thread from now on gets another number.
    private func freeName() throws {
        transaction.forget(source, number)
        try db.cachedStatement(sql: "DELETE FROM threads WHERE tenant = ? AND thread_id = ?").run {
            $0.bind(source.tenant.name)
            $0.bind(packed: source.id)
        }
    }

    private func deleteOld() throws {
        guard let number else { return }
        for table in ["checkpoints", "blobs"] {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE thread = ?").run { $0.bind(number) }
        }
    }
}
