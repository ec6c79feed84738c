package import JSON

/// A thread as the list of threads has it.
public struct ThreadSummary: Sendable, Equatable {
    public let id: String
    public let counts: StoredCounts
}

/// A thread with its namespaces.
public struct ThreadDetail: Sendable, Equatable {
    public let id: String
    public let counts: StoredCounts
    public let namespaces: [NamespaceSummary]
}

/// The checkpoints of a thread that one graph wrote: the root, or a subgraph.
public struct NamespaceSummary: Sendable, Equatable {
    /// Empty for the root.
    public let name: String
    /// The greatest checkpoint id; nil when there are only writes.
    public let head: String?
    public let counts: StoredCounts
}

/// What is stored, and from when.
public struct StoredCounts: Sendable, Equatable {
    /// When its first checkpoint was made, as LangGraph wrote it (ISO 8601); nil when there is none.
    public let created: String?
    /// When its last checkpoint was made.
    public let updated: String?
    public let checkpoints: Int
    public let writes: Int
    public let blobs: Int
    /// As stored: compressed where the store compresses.
    public let bytes: Int
}

/// A part of a list.
public struct Page<Element: Sendable>: Sendable {
    public let elements: [Element]
    /// Where the next page begins; nil when this is the last.
    public let next: String?
}

extension ThreadSummary {
    /// From an element of the server's list.
    package init(_ json: JSONValue) throws(MilepostClientError) {
        id = try json.text("thread_id")
        counts = try StoredCounts(json)
    }
}

extension ThreadDetail {
    init(_ json: JSONValue) throws(MilepostClientError) {
        id = try json.text("thread_id")
        counts = try StoredCounts(json)
        var namespaces: [NamespaceSummary] = []
        for namespace in try json.elements("namespaces") {
            namespaces.append(
                NamespaceSummary(
                    name: try namespace.text("checkpoint_ns"),
                    head: namespace["head"]?.string,
                    counts: try StoredCounts(namespace)
                )
            )
        }
        self.namespaces = namespaces
    }
}

extension StoredCounts {
    init(_ json: JSONValue) throws(MilepostClientError) {
        created = json["created"]?.string
        updated = json["updated"]?.string
        checkpoints = try json.count("checkpoints")
        writes = try json.count("writes")
        blobs = try json.count("blobs")
        bytes = try json.count("bytes")
    }
}

extension JSONValue {
    func text(_ name: String) throws(MilepostClientError) -> String {
        guard let text = self[name]?.string else { throw .missing(name) }
        return text
    }

    func count(_ name: String) throws(MilepostClientError) -> Int {
        guard let count = self[name]?.int else { throw .missing(name) }
        return count
    }

    func elements(_ name: String) throws(MilepostClientError) -> [JSONValue] {
        guard case .array(let elements)? = self[name] else { throw .missing(name) }
        return elements
    }
}

extension MilepostClientError {
    static func missing(_ name: String) -> MilepostClientError {
        MilepostClientError(.notUnderstood, message: "the answer has no '\(name)'")
    }
}
