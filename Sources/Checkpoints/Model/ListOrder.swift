/// A place in the ascending order of checkpoint ids, then of namespaces: that of a list of one thread, the other way round.
package struct ListOrder: Hashable, Comparable, Sendable {
    package let id: Identifier
    package let namespace: Identifier

    package init(id: Identifier, namespace: Identifier) {
        self.id = id
        self.namespace = namespace
    }

    package init(_ place: CheckpointPlace) {
        self.init(id: place.id, namespace: place.namespace)
    }

    package init(_ key: CheckpointKey) {
        self.init(id: key.id, namespace: key.namespace)
    }

    /// The same as a place of its thread.
    package var place: CheckpointPlace { CheckpointPlace(namespace: namespace, id: id) }

    package static func < (left: ListOrder, right: ListOrder) -> Bool {
        left.id != right.id ? left.id < right.id : left.namespace < right.namespace
    }
}
