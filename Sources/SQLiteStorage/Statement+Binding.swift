import Checkpoints
import GRDB
import GRDBSQLite

/// A statement's parameters, bound through SQLite's own calls in the order of its `?`: no value is boxed.
///
/// https://www.sqlite.org/c3ref/bind_blob.html
struct Parameters: ~Copyable {
    private let handle: OpaquePointer
    private var index: Int32 = 0

    init(_ statement: Statement) {
        handle = statement.sqliteStatement
    }

    mutating func bind(_ value: Int64) {
        index += 1
        sqlite3_bind_int64(handle, index, value)
    }

    /// Nil binds NULL.
    mutating func bind(_ value: Int64?) {
        if let value {
            bind(value)
        } else {
            index += 1
            sqlite3_bind_null(handle, index)
        }
    }

    /// Nil binds NULL.
    mutating func bind(_ text: String?) {
        guard var text else {
            index += 1
            sqlite3_bind_null(handle, index)
            return
        }
        text.withUTF8 { bind(text: $0) }
    }

    /// A text by its bytes, which a damaged one has that are not UTF-8.
    mutating func bind(text: [UInt8]) {
        text.withUnsafeBufferPointer { bind(text: $0) }
    }

    private mutating func bind(text: UnsafeBufferPointer<UInt8>) {
        index += 1
        // An empty buffer may have no address, which SQLite would take for NULL.
        let address = UnsafeRawPointer(text.baseAddress ?? Self.nothing).assumingMemoryBound(to: CChar.self)
        sqlite3_bind_text(handle, index, address, Int32(text.count), Self.copied)
    }

    mutating func bind(_ identifier: Identifier) {
        bind(identifier.text)
    }

    /// Binds an identifier as `PackedKey` has it.
    mutating func bind(packed identifier: Identifier) {
        var text = identifier.text
        guard let (high, low) = text.withUTF8({ PackedKey.uuid($0) }) else { return bind(text) }
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { bind(blob: $0) }
    }

    /// Nil binds NULL.
    mutating func bind(packed identifier: Identifier?) {
        if let identifier {
            bind(packed: identifier)
        } else {
            index += 1
            sqlite3_bind_null(handle, index)
        }
    }

    /// Binds a channel's version as `PackedKey` has it.
    mutating func bind(packedVersion version: Identifier) {
        guard let packed = PackedKey.version(version.text) else { return bind(version) }
        packed.withUnsafeBytes { bind(blob: $0) }
    }

    /// A packed key by its bytes.
    mutating func bind(blob bytes: UnsafeRawBufferPointer) {
        index += 1
        sqlite3_bind_blob(
            handle, index, bytes.baseAddress ?? UnsafeRawPointer(Self.nothing), Int32(bytes.count), Self.copied)
    }

    /// Four parameters, in the order of the keys that begin with a checkpoint's id.
    mutating func bind(_ checkpoint: CheckpointKey) {
        bind(packed: checkpoint.id)
        bind(packed: checkpoint.thread.id)
        bind(checkpoint.thread.tenant.name)
        bind(checkpoint.namespace)
    }

    /// Three parameters, by which a row of `checkpoints` is found: its thread's number, its namespace and its id.
    mutating func bind(_ number: Int64, _ namespace: Identifier, _ id: Identifier) {
        bind(number)
        bind(namespace)
        bind(id)
    }

    /// Binds the bytes where they lie: they must stay there until the statement has run.
    mutating func bind(inPlace bytes: UnsafeRawBufferPointer?) {
        index += 1
        guard let bytes else {
            sqlite3_bind_null(handle, index)
            return
        }
        sqlite3_bind_blob64(
            handle, index, bytes.baseAddress ?? UnsafeRawPointer(Self.nothing), UInt64(bytes.count), nil)
    }

    /// Some address, for values of no length.
    private static var nothing: UnsafePointer<UInt8> { UnsafePointer(bitPattern: 8).unsafelyUnwrapped }

    /// `SQLITE_TRANSIENT`: SQLite takes a copy.
    ///
    /// Swift cannot import the macro.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

extension Statement {
    /// Runs a statement that returns no rows.
    func run(_ bind: (inout Parameters) -> Void) throws {
        var parameters = Parameters(self)
        bind(&parameters)
        let code = sqlite3_step(sqliteStatement)
        defer { sqlite3_reset(sqliteStatement) }
        guard code == SQLITE_DONE else { throw failure(code) }
    }

    func failure(_ code: Int32) -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: String(cString: sqlite3_errmsg(sqlite3_db_handle(sqliteStatement))),
            sql: sql
        )
    }
}

extension Database {
    /// Deletes a checkpoint's rows of a table whose key begins with that checkpoint.
    func delete(from table: String, at checkpoint: CheckpointKey) throws {
        let statement = try cachedStatement(
            sql: "DELETE FROM \(table) WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?"
        )
        try statement.run { $0.bind(checkpoint) }
    }
}

extension [UInt8]? {
    /// The bytes in place; nil for nil.
    func withBytes<Value>(_ body: (UnsafeRawBufferPointer?) throws -> Value) rethrows -> Value {
        guard let self else { return try body(nil) }
        return try self.withUnsafeBytes { try body($0) }
    }
}
