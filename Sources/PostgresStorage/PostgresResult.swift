import CLibPQ
import Checkpoints

/// What the server answered one statement with, in binary form; freed with this value.
///
/// Rows and columns count from 0. Who asks for a column knows its type from the statement.
struct PostgresResult: ~Copyable {
    private let handle: OpaquePointer

    /// Takes over what `PQgetResult` gave.
    init(owning handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        PQclear(handle)
    }

    var status: ExecStatusType { PQresultStatus(handle) }

    var rowCount: Int { Int(PQntuples(handle)) }

    /// What the command did, such as `INSERT 0 1` or `COMMIT`.
    var commandTag: String { String(cString: PQcmdStatus(handle)) }

    /// The error; without the server's DETAIL.
    var failure: PostgresFailure {
        PostgresFailure(
            state: field(CInt(UInt8(ascii: "C"))) ?? "",
            message: field(CInt(UInt8(ascii: "M"))) ?? String(cString: PQresultErrorMessage(handle))
        )
    }

    func isNull(_ row: Int, _ column: Int) -> Bool {
        PQgetisnull(handle, CInt(row), CInt(column)) == 1
    }

    /// A text column.
    func identifier(_ row: Int, _ column: Int) -> Identifier {
        Identifier(String(decoding: value(row, column), as: UTF8.self))
    }

    func optionalIdentifier(_ row: Int, _ column: Int) -> Identifier? {
        isNull(row, column) ? nil : identifier(row, column)
    }

    /// A text or bytea column.
    func bytes(_ row: Int, _ column: Int) -> [UInt8] {
        Array(value(row, column))
    }

    func optionalBytes(_ row: Int, _ column: Int) -> [UInt8]? {
        isNull(row, column) ? nil : bytes(row, column)
    }

    /// An int4 or int8 column.
    func integer(_ row: Int, _ column: Int) -> Int {
        let bytes = value(row, column)
        let magnitude = bytes.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        return bytes.count == 4 ? Int(Int32(truncatingIfNeeded: magnitude)) : Int(truncatingIfNeeded: magnitude)
    }

    /// A boolean column; null is false.
    func isTrue(_ row: Int, _ column: Int) -> Bool {
        value(row, column).first == 1
    }

    /// What a row's values have together.
    func byteCount(_ row: Int) -> Int {
        (0..<PQnfields(handle)).reduce(0) { $0 + Int(PQgetlength(handle, CInt(row), $1)) }
    }

    private func value(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer {
        let count = Int(PQgetlength(handle, CInt(row), CInt(column)))
        return UnsafeRawBufferPointer(start: PQgetvalue(handle, CInt(row), CInt(column)), count: count)
    }

    private func field(_ code: CInt) -> String? {
        PQresultErrorField(handle, code).map { String(cString: $0) }
    }
}
