package import JSON

/// How far the nodes of a graph have come at a checkpoint: the versions of channels that each has seen.
package struct GraphProgress: Sendable {
    /// By node: the document's `versions_seen`.
    private let seen: [JSONMember]
    private let versions: [JSONMember]
    private let values: [JSONMember]

    package init(_ document: JSONValue) {
        seen = document["versions_seen"].members
        versions = document["channel_versions"].members
        values = document["channel_values"].members
    }

    /// The nodes that ran after `earlier`, its parent's progress; nil for a checkpoint without a parent.
    package func nodes(since earlier: GraphProgress?) -> [String] {
        let before = Dictionary((earlier?.seen ?? []).map { ($0.name, $0.value) }) { $1 }
        return seen.filter { !LangGraphChannel.isInner($0.name) && before[$0.name] != $0.value }
            .compactMap(\.name.string)
    }

    /// The nodes that an edge leads to and that have not run since, by name.
    ///
    /// An edge is a channel `branch:to:NODE` with a value of a version that the node has not seen. Joins and sends are not
    /// among them.
    package var next: [String] {
        let versions = Dictionary(versions.map { ($0.name, $0.value) }) { $1 }
        let seen = Dictionary(seen.map { ($0.name, $0.value) }) { $1 }
        return values.compactMap { member in
            guard let channel = member.name.string, channel.hasPrefix(LangGraphChannel.branch) else { return nil }
            let node = String(channel.dropFirst(LangGraphChannel.branch.count))
            guard let version = versions[member.name], seen[JSONString(node)]?[channel] != version else { return nil }
            return node
        }
    }
}

extension GraphProgress {
    private static let join = "join:"

    /// Whether edges from several nodes have been taken.
    package var hasJoins: Bool { versions.contains { $0.name.wtf8.starts(with: Self.join.utf8) } }

    /// The nodes behind edges from several nodes, all of which have run since: a channel `join:A+B:NODE` of a version that
    /// the node has not seen, whose value is the set of them all.
    package func joined(_ state: [DecodedEntry]) -> [String] {
        let seen = Dictionary(seen.map { ($0.name, $0.value) }) { $1 }
        return state.compactMap { entry in
            guard let channel = entry.key.string, channel.hasPrefix(Self.join),
                let end = channel.lastIndex(of: ":"),
                case .object(_, .value(.array(let ran))) = entry.value
            else { return nil }
            let node = String(channel[channel.index(after: end)...])
            let wanted = channel[..<end].dropFirst(Self.join.count).split(separator: "+").map(String.init)
            let version = versions.last { $0.name == JSONString(channel) }?.value
            guard Set(ran.compactMap(\.string)) == Set(wanted), seen[JSONString(node)]?[channel] != version else {
                return nil
            }
            return node
        }
    }
}

extension JSONValue? {
    fileprivate var members: [JSONMember] {
        if case .object(let members)? = self { members } else { [] }
    }
}
