/// What a put requires of its namespace before it takes effect.
package enum HeadExpectation: Hashable, Sendable {
    /// Nothing.
    case any
    /// The greatest checkpoint id is this one; nil: there is no checkpoint yet.
    case head(Identifier?)
}

/// What became of a put.
package enum PutOutcome: Hashable, Sendable {
    case stored
    /// Nothing changed: the namespace's greatest checkpoint id is this one, not the expected one.
    case refused(head: Identifier?)
}

extension HeadExpectation {
    /// Whether a put may take effect.
    ///
    /// A put that comes again after it took effect finds itself as the head, and is answered as it was the first time.
    ///
    /// `head` is the checkpoint with the greatest id.
    package func allows(_ checkpoint: Checkpoint, head: Checkpoint?) -> Bool {
        guard case .head(let expected) = self else { return true }
        return head?.key.id == expected || head == checkpoint
    }
}
