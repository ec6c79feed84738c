package import JSON

/// One pair of a checkpoint's `channel_versions`: which blob holds the channel's value.
package struct ChannelVersion: Hashable, Sendable {
    package let channel: Identifier
    package let version: Identifier

    package init(channel: Identifier, version: Identifier) {
        self.channel = channel
        self.version = version
    }
}

extension ChannelVersion {
    /// The pairs that a checkpoint's document names, in its order; none when `channel_versions` is missing or is not an
    /// object.
    ///
    /// Of a channel named twice the last version counts.
    ///
    /// A version that is not a string is compared by the text that the Python clients give it, `str(version)`.
    /// A channel or version with a lone surrogate or NUL names no blob, because no blob can be stored under it.
    package static func all(in document: JSONText) throws(JSONError) -> [ChannelVersion] {
        try named(by: document).versions
    }

    /// The same, and whether each version is a string or an integer, which any other reader of the document gives the same
    /// text.
    package static func named(
        by document: JSONText
    ) throws(JSONError) -> (versions: [ChannelVersion], areTexts: Bool) {
        guard case .object(let members)? = try document.member(channelVersions)?.value else { return ([], true) }
        var areTexts = true
        var pairs: [ChannelVersion] = []
        pairs.reserveCapacity(members.count)
        // Few are found sooner by looking at each.
        let isIndexed = members.count > 16
        var positions: [Identifier: Int] = [:]
        for member in members {
            areTexts = areTexts && member.value.isTextOrInteger
            guard let channel = Identifier(member.name), let version = member.value.version else { continue }
            let pair = ChannelVersion(channel: channel, version: version)
            let position = isIndexed ? positions[pair.channel] : pairs.firstIndex { $0.channel == pair.channel }
            if let position {
                pairs[position] = pair
            } else {
                if isIndexed { positions[pair.channel] = pairs.count }
                pairs.append(pair)
            }
        }
        return (pairs, areTexts)
    }

    private static let channelVersions = JSONFields([(name: "channel_versions", shape: .value)])
}

extension JSONValue {
    fileprivate var isTextOrInteger: Bool {
        switch self {
        case .string: true
        case .number(let number): number.isInteger && number.text != "-0"
        default: false
        }
    }

    /// What a channel's version is looked up by; nil for a string that cannot be an identifier.
    fileprivate var version: Identifier? {
        if case .string(let text) = self { return Identifier(text) }
        return Identifier(pythonText)
    }
}
