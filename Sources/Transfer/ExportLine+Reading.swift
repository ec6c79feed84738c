import Checkpoints
import Glibc
import JSON

extension ExportLine {
    /// A line that is no row.
    enum Mark {
        case header(format: Int, store: String)
        case thread(ThreadKey)
        case end(ThreadDigest)
        case complete(threads: Int, rows: Int)
    }

    static func isRow(_ line: UnsafeRawBufferPointer) -> Bool {
        line.starts(with: rowStart)
    }

    /// Nil for what is none of them.
    static func mark(_ line: UnsafeRawBufferPointer) -> Mark? {
        // What is not JSON is no mark either.
        guard let value = try? JSONValue(parsing: line) else { return nil }
        if let format = value["milepost_export"]?.int {
            return .header(format: format, store: value["store"]?.string ?? "")
        }
        if let thread = value["thread"] {
            guard let tenant = thread["tenant"]?.string, let id = thread["thread_id"]?.string else { return nil }
            return .thread(ThreadKey(Identifier(id), tenant: Tenant(name: Identifier(tenant))))
        }
        if let end = value["end"] {
            guard let rows = end["rows"]?.int, let xxh3 = end["xxh3"]?.string else { return nil }
            return .end(ThreadDigest(rows: rows, xxh3: xxh3))
        }
        if let complete = value["complete"] {
            guard let threads = complete["threads"]?.int, let rows = complete["rows"]?.int else { return nil }
            return .complete(threads: threads, rows: rows)
        }
        return nil
    }

    /// The row that a line says; throws what is wrong with it.
    static func row(_ line: UnsafeRawBufferPointer, of thread: ThreadKey) throws(WrongRow) -> ThreadRow {
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(parsing: line, shape: .object(fields), limits: limits)
        } catch {
            throw WrongRow(detail: error.description)
        }
        let reader = RowReader(document: document, thread: thread)
        let row: ThreadRow
        switch document.utf8String(of: document.member(Field.row.rawValue, of: document.root)) {
        case "blob": row = try reader.blob()
        case "write": row = try reader.write()
        case "checkpoint": row = try reader.checkpoint()
        default: throw WrongRow(detail: "it is no row that this version knows")
        }
        try reader.checkKeyLength(row)
        return row
    }

    struct WrongRow: Error {
        let detail: String
    }

    fileprivate enum Field: Int, CaseIterable {
        case row, namespace, checkpointID, parentID, checkpoint, metadata
        case taskID, taskPath, index, channel, version, type, blob

        var name: String {
            switch self {
            case .row: "row"
            case .namespace: "checkpoint_ns"
            case .checkpointID: "checkpoint_id"
            case .parentID: "parent_checkpoint_id"
            case .checkpoint: "checkpoint"
            case .metadata: "metadata"
            case .taskID: "task_id"
            case .taskPath: "task_path"
            case .index: "idx"
            case .channel: "channel"
            case .version: "version"
            case .type: "type"
            case .blob: "blob"
            }
        }
    }

    private static let fields = JSONFields(Field.allCases.map { (name: $0.name, shape: .value) })
    /// What a request admits is read whatever it is wrapped in.
    private static let limits = JSONLimits(maximumDepth: JSONLimits.default.maximumDepth + 8)
}

private struct RowReader {
    let document: JSONDocument
    let thread: ThreadKey

    func blob() throws(ExportLine.WrongRow) -> ThreadRow {
        let blob = ChannelBlob(
            channel: try identifier(.channel),
            version: try identifier(.version),
            type: try text(.type),
            bytes: node(.blob).kind == .null ? nil : try bytes()
        )
        return .blob(namespace: try identifier(.namespace), blob)
    }

    func write() throws(ExportLine.WrongRow) -> ThreadRow {
        let index = node(.index)
        guard index.kind == .number, let number = document.number(of: index).int, let index = Int32(exactly: number)
        else {
            throw wrong(.index)
        }
        let write = PendingWrite(
            taskID: try identifier(.taskID),
            index: index,
            channel: try identifier(.channel),
            type: node(.type).kind == .null ? nil : try text(.type),
            bytes: try bytes(),
            taskPath: try identifier(.taskPath)
        )
        return .write(namespace: try identifier(.namespace), checkpointID: try identifier(.checkpointID), write)
    }

    func checkpoint() throws(ExportLine.WrongRow) -> ThreadRow {
        let key = CheckpointKey(
            thread: thread,
            namespace: try identifier(.namespace),
            id: try identifier(.checkpointID)
        )
        let checkpoint = Checkpoint(
            key: key,
            parentID: node(.parentID).kind == .null ? nil : try identifier(.parentID),
            document: try object(.checkpoint),
            metadata: try object(.metadata)
        )
        return .checkpoint(checkpoint)
    }

    /// What every store takes.
    func checkKeyLength(_ row: ThreadRow) throws(ExportLine.WrongRow) {
        let parts =
            switch row {
            case .blob(let namespace, let blob): [namespace, blob.channel, blob.version]
            case .write(let namespace, let checkpointID, let write): [namespace, checkpointID, write.taskID]
            case .checkpoint(let checkpoint): [checkpoint.key.namespace, checkpoint.key.id]
            }
        let bytes = parts.reduce(thread.id.byteCount) { $0 + $1.byteCount }
        guard bytes <= IdentifierLimit.keyBytes else {
            throw ExportLine.WrongRow(detail: "its key has \(bytes) bytes; stores take \(IdentifierLimit.keyBytes)")
        }
    }

    private func node(_ field: ExportLine.Field) -> JSONNode {
        document.member(field.rawValue, of: document.root)
    }

    private func text(_ field: ExportLine.Field) throws(ExportLine.WrongRow) -> String {
        guard let text = document.utf8String(of: node(field)) else { throw wrong(field) }
        return text
    }

    private func identifier(_ field: ExportLine.Field) throws(ExportLine.WrongRow) -> Identifier {
        Identifier(try text(field))
    }

    private func bytes() throws(ExportLine.WrongRow) -> [UInt8] {
        guard let bytes = document.base64(of: node(.blob)) else { throw wrong(.blob) }
        return bytes
    }

    private func object(_ field: ExportLine.Field) throws(ExportLine.WrongRow) -> JSONText {
        guard node(field).kind == .object else { throw wrong(field) }
        return document.text(of: node(field))
    }

    private func wrong(_ field: ExportLine.Field) -> ExportLine.WrongRow {
        ExportLine.WrongRow(detail: "its '\(field.name)' is missing or wrong")
    }
}

extension [UInt8] {
    /// Where the line ends that begins at `start`.
    func lineFeed(from start: Int) -> Int? {
        withUnsafeBytes { bytes in
            guard start < bytes.count, let first = bytes.baseAddress else { return nil }
            return memchr(first + start, 0x0A, bytes.count - start).map { UnsafeRawPointer($0) - first }
        }
    }
}
