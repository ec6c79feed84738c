package import JSON

/// One saved step of a thread: the state's document and what LangGraph noted about it.
package struct Checkpoint: Hashable, Sendable {
    package let key: CheckpointKey
    /// The checkpoint this one continues, in the same thread and namespace.
    ///
    /// Nil for the first.
    package let parentID: Identifier?
    /// The exact text of the object that was put.
    package let document: JSONText
    /// The exact text of the object that was put, `{}` when it was omitted.
    package let metadata: JSONText

    package init(key: CheckpointKey, parentID: Identifier?, document: JSONText, metadata: JSONText) {
        self.key = key
        self.parentID = parentID
        self.document = document
        self.metadata = metadata
    }
}
