import GRDB

/// What a blob's bytes look like on disk.
///
/// Nothing else knows.
///
/// Today they are stored as they come (`encoding` 0). A row says which encoding it has, so that a later version can
/// add one and still read what is there.
struct StoredBlob {
    enum Encoding: Int64 {
        case plain = 0
    }

    let encoding: Encoding
    /// Nil for a blob that the client sent as null.
    let payload: [UInt8]?

    init(encoding bytes: [UInt8]?) {
        encoding = .plain
        payload = bytes
    }

    /// Nil when a row names an encoding that this version does not know: the row is damaged, because a newer
    /// layout would have been refused when the store was opened.
    init?(encoding: Int64, payload: [UInt8]?) {
        guard let encoding = Encoding(rawValue: encoding) else { return nil }
        self.encoding = encoding
        self.payload = payload
    }

    /// The bytes the client sent.
    var bytes: [UInt8]? {
        switch encoding {
        case .plain: payload
        }
    }
}
