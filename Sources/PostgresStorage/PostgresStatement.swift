import Checkpoints

/// The text of a statement, known by its identity: a connection prepares each once.
///
/// It uses no session state and works the same when it is not prepared.
final class StatementText: Sendable {
    let sql: String
    /// What it is prepared under.
    let name: String
    /// Whether a connection keeps it prepared; not what is rarely asked.
    let isPrepared: Bool

    /// `name` is unique among the store's statements.
    init(_ name: String, _ sql: String, isPrepared: Bool = true) {
        self.name = "milepost_" + name
        self.sql = sql
        self.isPrepared = isPrepared
    }
}

/// A statement with its parameters.
struct PostgresStatement: Sendable {
    let text: StatementText
    let parameters: PostgresParameters

    init(_ text: StatementText, _ parameters: PostgresParameters = PostgresParameters()) {
        self.text = text
        self.parameters = parameters
    }
}

/// A column of a key.
enum PostgresKeyPart: Hashable, Sendable {
    case text(Identifier)
    case integer(Int32)
}

/// The parameters of a statement in PostgreSQL's binary format, in order.
///
/// Arrays carry the rows of a change of many: one parameter a column.
/// https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-FORMAT-CODES
struct PostgresParameters: Sendable {
    /// All values, one after the other.
    private(set) var bytes: [UInt8] = []
    /// Where each is in `bytes`; nil for null.
    private(set) var ranges: [Range<Int>?] = []

    /// An array's element type: the `oid` of `pg_type`, which is fixed for built-in types.
    private enum ElementType: UInt32 {
        case bytea = 17
        case int4 = 23
        case text = 25
    }

    mutating func add(_ value: Identifier?) {
        guard let value else { return ranges.append(nil) }
        add { $0.append(contentsOf: value.text.utf8) }
    }

    /// A text that is at hand as UTF-8.
    mutating func add(utf8Text value: [UInt8]) {
        add { $0.append(contentsOf: value) }
    }

    mutating func add(_ value: Int32) {
        add { Self.append(value, to: &$0) }
    }

    mutating func add(_ part: PostgresKeyPart) {
        switch part {
        case .text(let value): add(value)
        case .integer(let value): add(value)
        }
    }

    mutating func add(_ value: Int64) {
        add { Self.append(value, to: &$0) }
    }

    mutating func add(texts: some Collection<Identifier?>) {
        add(.text, texts) { value, bytes in bytes.append(contentsOf: value.text.utf8) }
    }

    mutating func add(strings: some Collection<String?>) {
        add(.text, strings) { value, bytes in bytes.append(contentsOf: value.utf8) }
    }

    /// Texts that are at hand as UTF-8.
    mutating func add(utf8: some Collection<[UInt8]?>) {
        add(.text, utf8) { value, bytes in bytes.append(contentsOf: value) }
    }

    mutating func add(blobs: some Collection<[UInt8]?>) {
        add(.bytea, blobs) { value, bytes in bytes.append(contentsOf: value) }
    }

    mutating func add(integers: some Collection<Int32>) {
        add(.int4, integers.lazy.map(Optional.some)) { value, bytes in Self.append(value, to: &bytes) }
    }

    private mutating func add(_ append: (inout [UInt8]) -> Void) {
        let start = bytes.count
        append(&bytes)
        ranges.append(start..<bytes.count)
    }

    /// One dimension, lower bound 1; each element after its length, -1 for null.
    private mutating func add<Element>(
        _ type: ElementType,
        _ elements: some Collection<Element?>,
        _ append: (Element, inout [UInt8]) -> Void
    ) {
        add { bytes in
            for word in [1, 1, Int32(bitPattern: type.rawValue), Int32(elements.count), 1] {
                Self.append(word, to: &bytes)
            }
            for element in elements {
                let start = bytes.count
                Self.append(-1 as Int32, to: &bytes)
                guard let element else { continue }
                append(element, &bytes)
                let count = UInt32(bytes.count - start - 4)
                for place in 0..<4 {
                    bytes[start + place] = UInt8(truncatingIfNeeded: count >> (24 - 8 * UInt32(place)))
                }
            }
        }
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
