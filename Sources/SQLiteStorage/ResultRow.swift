import Checkpoints
import GRDB
import GRDBSQLite

/// The row a statement stands on, read through SQLite's own calls: each value is copied once.
///
/// Columns count from 0.
///
/// https://www.sqlite.org/c3ref/column_blob.html
struct ResultRow: ~Copyable {
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func isInteger(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_INTEGER
    }

    func isBlob(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_BLOB
    }

    /// Nil for NULL.
    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : integer(column)
    }

    /// Nil for NULL.
    func optionalText(_ column: Int32) -> String? {
        guard let text = sqlite3_column_text(handle, column) else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
    }

    func text(_ column: Int32) -> String {
        optionalText(column) ?? ""
    }

    func identifier(_ column: Int32) -> Identifier {
        Identifier(text(column))
    }

    func optionalIdentifier(_ column: Int32) -> Identifier? {
        optionalText(column).map { Identifier($0) }
    }

    /// What `bind(packed:)` bound; nil for NULL.
    func optionalPacked(_ column: Int32) -> Identifier? {
        guard isBlob(column), let start = sqlite3_column_blob(handle, column),
            sqlite3_column_bytes(handle, column) == PackedKey.uuidCount
        else { return optionalIdentifier(column) }
        let bytes = UnsafeRawBufferPointer(start: start, count: PackedKey.uuidCount)
        return Identifier(PackedKey.text(ofUUID: bytes))
    }

    func packed(_ column: Int32) -> Identifier {
        optionalPacked(column) ?? ""
    }

    /// What `bind(packedVersion:)` bound.
    func packedVersion(_ column: Int32) -> Identifier {
        guard isBlob(column) else { return identifier(column) }
        return Identifier(PackedKey.text(ofVersion: bytes(column) ?? []))
    }

    /// Nil for NULL; no bytes for an empty blob.
    ///
    /// Those of a text are its bytes as they are stored.
    func bytes(_ column: Int32) -> [UInt8]? {
        guard sqlite3_column_type(handle, column) != SQLITE_NULL else { return nil }
        let start = sqlite3_column_blob(handle, column)
        return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    /// How many bytes a blob or a text has; 0 for NULL.
    func byteCount(_ column: Int32) -> Int {
        Int(sqlite3_column_bytes(handle, column))
    }

    /// Throws `corrupt` for an encoding that does not exist.
    func stored(encoding: Int32, payload: Int32) throws -> StoredBytes {
        guard let stored = StoredBytes(code: integer(encoding), payload: bytes(payload)) else {
            throw StoreError(.corrupt, during: "read a value", detail: "a row has an unknown encoding")
        }
        return stored
    }

    /// The payload as it is under a name that differs in `change`: see `StoredBytes.renamed`.
    func payload(encoding: Int32, payload: Int32, renamedBy change: RowName) -> [UInt8]? {
        let bytes = bytes(payload)
        guard let stored = StoredBytes(code: integer(encoding), payload: bytes) else { return bytes }
        return stored.renamed(by: change).payload
    }
}

extension Statement {
    /// Reads the rows of a query until there are no more, or `body` returns false.
    func forEachRow(
        _ bind: (inout Parameters) -> Void,
        _ body: (borrowing ResultRow) throws -> Bool
    ) throws {
        var parameters = Parameters(self)
        bind(&parameters)
        defer { sqlite3_reset(sqliteStatement) }
        while true {
            let code = sqlite3_step(sqliteStatement)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure(code) }
            guard try body(ResultRow(sqliteStatement)) else { return }
        }
    }

    /// What `read` makes of the first row of a query; nil when it has none.
    func firstRow<Value>(
        _ bind: (inout Parameters) -> Void,
        _ read: (borrowing ResultRow) throws -> Value
    ) throws -> Value? {
        var found: Value?
        try forEachRow(bind) { row in
            found = try read(row)
            return false
        }
        return found
    }

    /// Whether the query has a row.
    func hasRow(_ bind: (inout Parameters) -> Void) throws -> Bool {
        try firstRow(bind) { _ in true } ?? false
    }
}
