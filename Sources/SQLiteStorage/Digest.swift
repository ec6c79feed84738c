import CXXHash

/// Tells a value from a damaged one: the low 32 bits of its XXH3, the lowest byte first.
///
/// Against accidents, not against an attacker, who could write the file anyway.
/// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
struct Digest: Equatable {
    /// Bytes of a digest.
    static let count = 4

    private let value: UInt32

    init(_ bytes: UnsafeRawBufferPointer) {
        value = UInt32(truncatingIfNeeded: xxh3_64bits(bytes.baseAddress, bytes.count))
    }

    /// Of a value that is kept under a name; nil for one of before layout 5, which has none.
    init(_ bytes: UnsafeRawBufferPointer, named name: RowName?) {
        let digest = Digest(bytes)
        self = name.map { digest.renamed(by: $0) } ?? digest
    }

    private init(value: UInt32) {
        self.value = value
    }

    /// That of the same value under a name which differs in `change`.
    func renamed(by change: RowName) -> Digest {
        Digest(value: change.applied(to: value))
    }

    /// The digest that was written at this place; nil when there are not enough bytes.
    init?(in payload: [UInt8], at place: Int) {
        guard place + Self.count <= payload.count else { return nil }
        value = payload.withUnsafeBytes {
            UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        }
    }

    /// Overwrites the bytes at this place, which must be there.
    func write(to payload: inout [UInt8], at place: Int) {
        payload.withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: place, as: UInt32.self)
        }
    }
}
