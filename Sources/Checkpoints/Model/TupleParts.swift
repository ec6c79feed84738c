import JSON

/// What a reader wants of each checkpoint beside its document and metadata.
package struct TupleParts: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The blobs that the document's `channel_versions` name.
    package static let blobs = TupleParts(rawValue: 1)
    /// What tasks wrote after it.
    package static let pendingWrites = TupleParts(rawValue: 2)
    /// What LangGraph kept with the parent before version 4 of its documents: see `Checkpoint.sendsAreInParent`.
    package static let parentSends = TupleParts(rawValue: 4)

    /// What get-tuple always answers with.
    package static let tuple: TupleParts = [.blobs, .pendingWrites]
}

extension Identifier {
    /// LangGraph's channel for the nodes to run next with an argument of their own (`Send`).
    package static let sendsChannel: Identifier = "__pregel_tasks"
    /// LangGraph's channel for questions that a task waits for an answer to.
    package static let interruptChannel: Identifier = "__interrupt__"
    /// LangGraph's channel for the answers.
    package static let resumeChannel: Identifier = "__resume__"
}

extension Checkpoint {
    /// Whether LangGraph looks for this checkpoint's sends among its parent's writes: its document's `v` is a number below
    /// 4, and it has a parent.
    ///
    /// Costs a walk over the document's members. A document that cannot be read has none.
    package var sendsAreInParent: Bool {
        // A document that is not JSON has no version.
        guard parentID != nil, case .number(let version)? = try? document.member(Self.version)?.value else {
            return false
        }
        return version.double < 4
    }

    private static let version = JSONFields([(name: "v", shape: .value)])
}
