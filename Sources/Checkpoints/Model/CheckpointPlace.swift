/// Where a checkpoint is within its thread.
package struct CheckpointPlace: Hashable, Comparable, Sendable {
    package let namespace: Identifier
    package let id: Identifier

    package init(namespace: Identifier, id: Identifier) {
        self.namespace = namespace
        self.id = id
    }

    /// By namespace, then by id.
    package static func < (left: CheckpointPlace, right: CheckpointPlace) -> Bool {
        left.namespace != right.namespace ? left.namespace < right.namespace : left.id < right.id
    }
}
