import Checkpoints

/// What a client knows of a thread, as its `Last-Event-ID` says: opaque to it, and the same on every server.
///
/// It has the place below which nothing is looked at, and hashes of the newest checkpoints that the client was told of, each
/// with a digest of the writes. A client that makes one up gets other events, of a thread that it may read anyway.
struct Resumption: Equatable {
    /// What is remembered of one checkpoint.
    struct Entry: Equatable {
        let place: UInt32
        let isTold: Bool
        let writes: UInt32
    }

    let floor: ListOrder?
    let entries: [Entry]

    private static let version: UInt8 = 1

    init(floor: ListOrder?, entries: [Entry]) {
        self.floor = floor
        self.entries = entries
    }

    /// Nil for what no server has made.
    init?(_ text: String) {
        guard let bytes = URLSafeBase64.decode(text), bytes.count >= 4, bytes[0] == Self.version else { return nil }
        let count = Int(bytes[1])
        let texts = 2 + count * 8
        guard count <= ToldCheckpoints.size, bytes.count >= texts + 2 else { return nil }
        func word(_ place: Int) -> UInt32 {
            bytes[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        entries = (0..<count).map { number in
            let place = word(2 + number * 8)
            return Entry(place: place | 1, isTold: place & 1 == 1, writes: word(6 + number * 8))
        }
        let length = Int(bytes[texts]) << 8 | Int(bytes[texts + 1])
        let rest = bytes[(texts + 2)...]
        guard length <= rest.count + 1 else { return nil }
        // 0 is of no floor; an id is one longer.
        guard length > 0 else {
            floor = nil
            return
        }
        let id = Identifier(String(decoding: rest.prefix(length - 1), as: UTF8.self))
        floor = ListOrder(id: id, namespace: Identifier(String(decoding: rest.dropFirst(length - 1), as: UTF8.self)))
    }

    var text: String {
        var bytes = [Self.version, UInt8(entries.count)]
        func append(_ word: UInt32) {
            for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        for entry in entries {
            append(entry.isTold ? entry.place | 1 : entry.place & ~1)
            append(entry.writes)
        }
        let length = floor.map { $0.id.byteCount + 1 } ?? 0
        bytes += [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
        if let floor { bytes += Array(floor.id.text.utf8) + Array(floor.namespace.text.utf8) }
        return URLSafeBase64.encode(bytes)
    }

    /// The same for the same writes in any order.
    static func digest(_ writes: Set<UInt32>) -> UInt32 {
        writes.reduce(0, ^)
    }

    /// Whether a place is one that the client may not have been told of.
    func reaches(_ place: ListOrder) -> Bool {
        floor.map { place >= $0 } ?? true
    }

    /// What the client has to be told of what was read, in the order in which it is told; `read` is newest first.
    func untold(in read: [CheckpointTuple]) -> [ThreadChange.Effect] {
        var known = Dictionary(entries.map { ($0.place, $0) }) { $1 }
        var effects: [ThreadChange.Effect] = []
        for tuple in read.reversed() {
            let key = tuple.checkpoint.key
            let entry = known.removeValue(forKey: ListOrder(key).hash32)
            if entry?.isTold != true { effects.append(.checkpoint(CheckpointStep(tuple.checkpoint))) }
            let writes = tuple.pendingWrites.map { WrittenChannel($0) }
            if !writes.isEmpty, Self.digest(Set(writes.map(\.hash32))) != entry?.writes {
                effects.append(.writes(CheckpointPlace(namespace: key.namespace, id: key.id), writes))
            }
        }
        let isGone = known.values.contains(where: \.isTold)
        guard isGone else { return effects }
        let isAllGone = entries.filter(\.isTold).allSatisfy { known[$0.place] != nil }
        return [isAllGone ? .deleted : .pruned] + effects
    }
}

extension ListOrder {
    /// Never even, so that its last bit can say something else.
    var hash32: UInt32 { ShortHash.of([id, namespace]) | 1 }
}

extension WrittenChannel {
    var hash32: UInt32 { ShortHash.of([taskID, Identifier(String(index)), channel]) }
}

/// FNV-1a, folded to 32 bits: the same on every server, and good enough to tell a handful of ids apart.
private enum ShortHash {
    static func of(_ texts: [Identifier]) -> UInt32 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for text in texts {
            for byte in text.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            // No text has this byte.
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}
