import Checkpoints
import JSON
import TestSupport

/// Makes a sequence of calls that fails shorter, by trying: delta debugging.
///
/// https://www.debuggingbook.org/html/DeltaDebugger.html
struct Shrinking {
    private(set) var calls: [SimulatedCall]
    private var attemptsLeft: Int
    private let fails: ([SimulatedCall]) async throws -> Bool

    init(_ calls: [SimulatedCall], attempts: Int, _ fails: @escaping ([SimulatedCall]) async throws -> Bool) {
        self.calls = calls
        attemptsLeft = attempts
        self.fails = fails
    }

    /// Takes parts away, from halves down to single calls, until none can go.
    mutating func removeCalls() async throws {
        var size = max(calls.count / 2, 1)
        while true {
            var isShorter = false
            // What came last is needed most: it begins there.
            var end = calls.count
            while end > 0 {
                let start = max(end - size, 0)
                var fewer = calls
                fewer.removeSubrange(start..<end)
                if !fewer.isEmpty, try await take(fewer) { isShorter = true }
                end = start
            }
            if size == 1, !isShorter { return }
            size = max(size / 2, 1)
        }
    }

    /// Replaces each call by plainer ones, as long as one of them does.
    mutating func simplifyCalls() async throws {
        for index in calls.indices {
            var isSimpler = true
            while isSimpler {
                isSimpler = false
                for plainer in calls[index].plainer {
                    var changed = calls
                    changed[index] = plainer
                    if try await take(changed) {
                        isSimpler = true
                        break
                    }
                }
            }
        }
    }

    private mutating func take(_ attempt: [SimulatedCall]) async throws -> Bool {
        guard attemptsLeft > 0 else { return false }
        attemptsLeft -= 1
        guard try await fails(attempt) else { return false }
        calls = attempt
        return true
    }
}

extension SimulatedCall {
    /// The same with less in it; each has less than the call itself, so that there is an end.
    fileprivate var plainer: [SimulatedCall] {
        switch self {
        case .put(let checkpoint, let blobs, let head):
            var all = blobs.indices.map { SimulatedCall.put(checkpoint, blobs.without($0), head) }
            if head != .any { all.append(.put(checkpoint, blobs, .any)) }
            return all + checkpoint.plainer.map { .put($0, blobs, head) }
        case .putWrites(let groups, let key):
            return groups.indices.flatMap { index in
                let group = groups[index]
                let shorter = group.writes.indices.map { left in
                    var groups = groups
                    groups[index] = WriteGroup(group.writes.without(left), onConflict: group.policy)
                    return SimulatedCall.putWrites(groups, key)
                }
                return [.putWrites(groups.without(index), key)] + shorter
            }
        case .add(let rows, let thread) where rows.count > 1: return rows.indices.map { .add(rows.without($0), thread) }
        case .followed(let thread, let calls):
            return calls + calls.indices.map { .followed(thread, calls.without($0)) }
        case .list(let query): return query.plainer.map { .list($0) }
        default: return []
        }
    }
}

extension Checkpoint {
    /// With the same document: what it says of the time must go with its id.
    fileprivate var plainer: [Checkpoint] {
        var all: [Checkpoint] = []
        func add(_ parent: Identifier?, _ document: JSONText, _ metadata: JSONText) {
            let plain = Checkpoint(key: key, parentID: parent, document: document, metadata: metadata)
            if plain != self { all.append(plain) }
        }
        add(nil, document, metadata)
        add(parentID, document, "{}")
        return all
    }
}

extension CheckpointQuery {
    fileprivate var plainer: [CheckpointQuery] {
        var all: [CheckpointQuery] = []
        if !parts.isEmpty { all.append(with(filter: metadataFilter, before: before, parts: [])) }
        if metadataFilter != nil { all.append(with(filter: nil, before: before, parts: parts)) }
        if before != nil { all.append(with(filter: metadataFilter, before: nil, parts: parts)) }
        return all
    }

    private func with(filter: JSONValue?, before: Identifier?, parts: TupleParts) -> CheckpointQuery {
        CheckpointQuery(
            scope: scope, namespace: namespace, id: id, before: before, after: after, metadataFilter: filter,
            limit: limit, parts: parts)
    }
}

extension Array {
    fileprivate func without(_ index: Int) -> [Element] {
        var rest = self
        rest.remove(at: index)
        return rest
    }
}
