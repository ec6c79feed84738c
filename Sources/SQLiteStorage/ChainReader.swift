import Checkpoints
import GRDB

/// Reads versions of channels one after the other from the file, each through those that were read just before.
///
/// In the order in which a chain was made that costs one decompression a version, where `BlobChain.read` alone follows
/// each one's way to the beginning. In any other order it gives the same. It holds the versions on the way to the last
/// one: at most fifteen, as a rule.
struct ChainReader {
    /// Each is the base of the next.
    private var path: [(row: Int64, bytes: [UInt8])] = []
    private let channel: RowName.Channel

    init(_ channel: RowName.Channel) {
        self.channel = channel
    }

    /// The blob in the row of a version.
    ///
    /// Throws `corrupt` when any part of it is damaged, naming the row; never returns other bytes.
    mutating func read(_ row: Int64, _ version: Identifier, in db: Database) throws -> RecentBlobs.Blob {
        let statement = try db.cachedStatement(sql: "SELECT base, encoding, payload, type FROM blobs WHERE blob = ?")
        let found = try statement.firstRow { parameters in
            parameters.bind(row)
        } _: { row in
            (base: row.optionalInteger(0), stored: try row.stored(encoding: 1, payload: 2), type: row.text(3))
        }
        let blob: RecentBlobs.Blob
        if let found, found.stored.encoding.needsBase, let base = found.base, let bytes = step(to: base),
            // What cannot be read this way is read, or reported, by the other one.
            let value = try? found.stored.bytes(base: bytes, named: channel.version(version, type: found.type))
        {
            blob = RecentBlobs.Blob(type: found.type, bytes: value)
        } else {
            path = []
            blob = try BlobChain.read(row, of: channel, version, in: db)
        }
        if let bytes = blob.bytes { path.append((row, bytes)) }
        return blob
    }

    /// Goes back to a row on the path; nil when it is not there.
    private mutating func step(to row: Int64) -> [UInt8]? {
        guard let place = path.lastIndex(where: { $0.row == row }) else { return nil }
        path.removeSubrange((place + 1)...)
        return path[place].bytes
    }
}
