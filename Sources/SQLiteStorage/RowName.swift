import CXXHash
package import Checkpoints

/// What a row is called, as a number that the digest of its value is made with: a value is read under no other name.
///
/// Three hashes, joined by exclusive or: of the thread, of what else is the row's name, and of a checkpoint's parent. So
/// a row gets another thread or parent without its value being read (`StoredBytes.renamed`). The thread is its name and not
/// its number: a row of `threads` with a wrong number leads to nothing that can be read.
package struct RowName: Hashable, Sendable {
    private let bits: UInt32

    private init(_ hash: UInt64) {
        bits = UInt32(truncatingIfNeeded: hash)
    }

    private init(bits: UInt32) {
        self.bits = bits
    }

    /// What two names differ in; or a name that differs from another in this.
    package static func ^ (left: RowName, right: RowName) -> RowName {
        RowName(bits: left.bits ^ right.bits)
    }

    /// The digest of a value under this name, or of one under this name by itself.
    func applied(to digest: UInt32) -> UInt32 { digest ^ bits }

    /// The thread's part of every name in it.
    static func thread(_ thread: ThreadKey) -> RowName {
        var hash = NameHash(.thread)
        hash.add(thread.tenant.name.text)
        hash.add(thread.id.text)
        return RowName(hash.value)
    }

    /// The parent's part of a checkpoint's name; of none it is nothing.
    static func parent(_ id: Identifier?) -> RowName {
        guard let id else { return RowName(bits: 0) }
        var hash = NameHash(.parent)
        hash.add(id.text)
        return RowName(hash.value)
    }

    package static func checkpoint(_ key: CheckpointKey, parent: Identifier?) -> RowName {
        var hash = NameHash(.checkpoint)
        hash.add(key.namespace.text)
        hash.add(key.id.text)
        return thread(key.thread) ^ RowName(hash.value) ^ .parent(parent)
    }

    /// That of the row which has all writes of a task.
    package static func writes(of task: Identifier, after checkpoint: CheckpointKey) -> RowName {
        var hash = NameHash(.writes)
        hash.add(checkpoint.namespace.text)
        hash.add(checkpoint.id.text)
        hash.add(task.text)
        return thread(checkpoint.thread) ^ RowName(hash.value)
    }

    /// A channel of a thread: the beginning of its versions' names.
    package struct Channel: Sendable {
        private let thread: RowName
        private let hash: NameHash

        package init(_ thread: ThreadKey, _ namespace: Identifier, _ channel: Identifier) {
            self.thread = .thread(thread)
            var hash = NameHash(.blob)
            hash.add(namespace.text)
            hash.add(channel.text)
            self.hash = hash
        }

        /// The name of a version whose value has this type.
        package func version(_ version: Identifier, type: String) -> RowName {
            var hash = hash
            hash.add(version.text)
            hash.add(type)
            return thread ^ RowName(hash.value)
        }
    }
}

/// XXH3 of texts one after the other, each with the hash of those before it as its seed: where one ends matters.
private struct NameHash {
    /// Where it begins, so that two kinds of names have nothing in common.
    ///
    /// They are stored: never change one.
    enum Kind: UInt64 {
        case thread = 1
        case parent
        case checkpoint
        case writes
        case blob
    }

    private(set) var value: UInt64

    init(_ kind: Kind) {
        value = kind.rawValue
    }

    mutating func add(_ text: String) {
        var text = text
        let seed = value
        value = text.withUTF8 { xxh3_64bits_seeded($0.baseAddress, $0.count, seed) }
    }
}
