/// What one task wrote to one channel after a checkpoint and before the next.
package struct PendingWrite: Hashable, Sendable {
    package var taskID: Identifier
    /// Position among the task's writes.
    ///
    /// LangGraph gives errors, interrupts and resumes negative positions.
    package var index: Int32
    package var channel: Identifier
    /// The serialiser's tag; nil when the client sent none.
    package var type: String?
    package var bytes: [UInt8]
    /// Where the task stands in the graph; LangGraph orders pending writes by it.
    ///
    /// Empty when not sent.
    package var taskPath: Identifier

    package init(
        taskID: Identifier,
        index: Int32,
        channel: Identifier,
        type: String?,
        bytes: [UInt8],
        taskPath: Identifier
    ) {
        self.taskID = taskID
        self.index = index
        self.channel = channel
        self.type = type
        self.bytes = bytes
        self.taskPath = taskPath
    }
}

/// What happens to a write whose (task id, index) the checkpoint already has, earlier in the same request too.
package enum WriteConflictPolicy: Hashable, Sendable {
    /// The first write stays; the new one is dropped.
    case keepFirst
    /// Channel, type and bytes are replaced, the task path stays; the last one in a request wins.
    case replace
}

extension PendingWrite {
    /// The order of a tuple's pending writes: task path, task id, index.
    ///
    /// The same as `writes_sort_key` of langgraph-checkpoint 4.3.
    package static func precedes(_ left: PendingWrite, _ right: PendingWrite) -> Bool {
        if left.taskPath != right.taskPath { return left.taskPath < right.taskPath }
        if left.taskID != right.taskID { return left.taskID < right.taskID }
        return left.index < right.index
    }
}
