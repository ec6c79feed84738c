/// How a sealed value begins: what a store may know of it without a key.
///
/// Four bytes that no text, MessagePack or pickle begins with, a format, and flags.
package enum SealedValue {
    /// Byte 0xC1 is the one that MessagePack never uses, and no UTF-8 has it.
    package static let magic: [UInt8] = [0xC1, 0x6D, 0x6C, 0x70]
    /// Where the flags are.
    package static let flagsPlace = 5
    /// The flag of a blob that is a delta channel's snapshot: see `ChannelBlob.isDeltaSnapshot`.
    package static let snapshotFlag: UInt8 = 1

    /// Whether bytes begin as a sealed value does; says nothing about the rest.
    package static func isSealed(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: magic)
    }

    /// Whether bytes begin as a sealed snapshot does.
    static func isSnapshot(_ start: some Collection<UInt8>) -> Bool {
        guard start.starts(with: magic), let flags = start.dropFirst(flagsPlace).first else { return false }
        return flags & snapshotFlag != 0
    }
}
