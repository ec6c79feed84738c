import Foundation
import TestSupport

/// What of some files is durable, and what is not yet.
///
/// The unit that is kept or lost is a write, or a part of one: more states than a kernel with pages of 4 KiB can
/// leave. Writes of one file, and those of two files, may become durable in any order until a sync returns.
struct DiskImage: Sendable {
    enum Change: Sendable {
        case write(Int, [UInt8])
        case truncate(Int)
    }

    private struct File: Sendable {
        var durable: [UInt8] = []
        /// Since the last sync, oldest first.
        var unsynced: [Change] = []
        /// Whether its directory says that it is there, for good.
        var isNamed = false
        var isDeleted = false
        /// What the name meant before, as long as the directory was not flushed.
        var ghost: [UInt8]?
        /// The next sync flushes the directory too, as SQLite does for a log or journal that may be new.
        var flushesDirectory = false
    }

    private var files: [String: File] = [:]

    /// What is found on opening was durable before.
    mutating func open(_ name: String, content: () -> Data?, mayCreate: Bool) {
        if files[name].map({ $0.isDeleted }) ?? true {
            let old = files[name]
            let found = old == nil ? content().map(Array.init) ?? [] : []
            files[name] = File(durable: found, isNamed: !found.isEmpty, ghost: old?.ghost)
        }
        if mayCreate && !name.hasSuffix(".db") { files[name]?.flushesDirectory = true }
    }

    mutating func change(_ name: String, _ change: Change) {
        files[name]?.unsynced.append(change)
    }

    mutating func sync(_ name: String) {
        guard var file = files[name] else { return }
        for change in file.unsynced { Self.apply(change, to: &file.durable) }
        file.unsynced = []
        let flushesDirectory = file.flushesDirectory
        file.flushesDirectory = false
        files[name] = file
        guard flushesDirectory else { return }
        for other in files.keys {
            files[other]?.ghost = nil
            files[other]?.isNamed = true
        }
        files = files.filter { !$0.value.isDeleted }
    }

    /// Whether something of this file would be lost with the power.
    func hasUnsynced(_ name: String) -> Bool { files[name].map { !$0.unsynced.isEmpty } ?? false }

    /// After a failed sync the kernel takes for written what is not.
    mutating func loseUnsynced(_ name: String) {
        files[name]?.unsynced = []
    }

    mutating func delete(_ name: String) {
        guard let file = files[name], !file.isDeleted else { return }
        files[name]?.ghost = file.isNamed ? file.durable : file.ghost
        files[name]?.isDeleted = true
        files[name]?.unsynced = []
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .write(let offset, let new):
            if bytes.count < offset + new.count {
                bytes += [UInt8](repeating: 0, count: offset + new.count - bytes.count)
            }
            bytes.replaceSubrange(offset..<(offset + new.count), with: new)
        case .truncate(let size): bytes = Array(bytes.prefix(size))
        }
    }

    // MARK: - Loss of power

    /// What becomes of the changes that were not synced.
    enum Loss: CaseIterable, Sendable {
        /// All of them are gone.
        case all
        /// None, as after the end of the process.
        case none
        /// The last ones are gone, and the last that is there is torn.
        case suffix
        /// Some are gone, whatever came after them.
        case some
        /// Some are gone, some are torn, and they came in another order.
        case anything
    }

    /// Writes the files as a loss of power may leave them.
    func write(to directory: TemporaryDirectory, losing loss: Loss, _ random: inout SeededGenerator) throws {
        for (name, file) in files.sorted(by: { $0.key < $1.key }) {
            guard let bytes = Self.content(of: file, loss, &random) else { continue }
            try Data(bytes).write(to: URL(fileURLWithPath: directory.file(name)))
        }
    }

    /// Nil when there is no such file.
    private static func content(of file: File, _ loss: Loss, _ random: inout SeededGenerator) -> [UInt8]? {
        // Whether what its directory was told last is there.
        let isDirectoryFlushed = loss == .none || loss != .all && Bool.random(using: &random)
        if file.isDeleted { return isDirectoryFlushed ? nil : file.ghost }
        if !file.isNamed && !isDirectoryFlushed { return file.ghost }
        var bytes = file.durable
        for change in kept(file.unsynced, loss, &random) { apply(change, to: &bytes) }
        return bytes
    }

    private static func kept(_ changes: [Change], _ loss: Loss, _ random: inout SeededGenerator) -> [Change] {
        switch loss {
        case .all: return []
        case .none: return changes
        case .suffix:
            guard !changes.isEmpty else { return [] }
            let prefix = changes.prefix(Int.random(in: 0...changes.count, using: &random))
            return prefix.dropLast() + prefix.suffix(1).map { torn($0, &random) }
        case .some: return changes.filter { _ in Bool.random(using: &random) }
        case .anything:
            let some = changes.filter { _ in Bool.random(using: &random) }
            return some.map { Bool.random(using: &random) ? torn($0, &random) : $0 }.shuffled(using: &random)
        }
    }

    /// Half a sector, or some of them.
    private static func torn(_ change: Change, _ random: inout SeededGenerator) -> Change {
        guard case .write(let offset, let bytes) = change else { return change }
        let cut = Int.random(in: 0...bytes.count, using: &random)
        return Bool.random(using: &random)
            ? .write(offset, Array(bytes.prefix(cut))) : .write(offset + cut, Array(bytes.dropFirst(cut)))
    }
}
