package import JSON

/// What a thread has, in figures.
package struct ThreadSummary: Hashable, Sendable {
    package let thread: ThreadKey
    /// In ascending order of the namespace's UTF-8 bytes; not empty.
    package let namespaces: [NamespaceSummary]

    package init(thread: ThreadKey, namespaces: [NamespaceSummary]) {
        self.thread = thread
        self.namespaces = namespaces.sorted { $0.namespace < $1.namespace }
    }

    package var counts: RowCounts {
        namespaces.reduce(into: RowCounts()) { $0 += $1.counts }
    }

    /// When its checkpoint with the least id was made: the document's `ts`.
    package var created: String? {
        namespaces.compactMap(\.first).min { $0.id < $1.id }?.time
    }

    /// When its checkpoint with the greatest id was made.
    package var updated: String? {
        namespaces.compactMap(\.head).max { $0.id < $1.id }?.time
    }
}

/// What one namespace of a thread has.
package struct NamespaceSummary: Hashable, Sendable {
    /// A checkpoint and the `ts` of its document as LangGraph wrote it, ISO 8601; nil when that is not a `label`.
    package struct Step: Hashable, Sendable {
        package let id: Identifier
        package let time: String?

        package init(id: Identifier, time: String?) {
            self.id = id
            self.time = time
        }
    }

    package let namespace: Identifier
    /// The checkpoint with the least id, and the one with the greatest; nil when there are only writes.
    package let first: Step?
    package let head: Step?
    package let counts: RowCounts

    package init(namespace: Identifier, first: Step?, head: Step?, counts: RowCounts) {
        self.namespace = namespace
        self.first = first
        self.head = head
        self.counts = counts
    }
}

extension NamespaceSummary.Step {
    /// Costs a walk over the document's members.
    package init(id: Identifier, document: JSONText) {
        self.init(id: id, time: document.time)
    }
}

extension JSONText {
    /// A document's `ts`; nil when that is not a string with a `label`, and for what is not JSON.
    var time: String? {
        // What is not JSON has no time.
        guard case .string(let text)? = try? member(Self.timeField)?.value else { return nil }
        return text.label
    }

    private static let timeField = JSONFields([(name: "ts", shape: .value)])
}

extension JSONString {
    /// The text as every store shows it of a document's `ts` and a metadata's `source`; nil when it has NUL, half of a
    /// surrogate pair or U+FFFD.
    ///
    /// PostgreSQL's `jsonb` has the third in place of the first two: who reads it there cannot tell which one was sent.
    var label: String? {
        guard let string, !string.unicodeScalars.contains(where: { $0 == "\0" || $0 == "\u{FFFD}" }) else { return nil }
        return string
    }
}

/// How many rows, and what they take.
package struct RowCounts: Hashable, Sendable {
    package var checkpoints = 0
    package var blobs = 0
    package var writes = 0
    /// Of documents, metadata, blobs and writes as they are stored: after compression where the store compresses, without
    /// keys and indexes.
    package var bytes = 0

    package init(checkpoints: Int = 0, blobs: Int = 0, writes: Int = 0, bytes: Int = 0) {
        self.checkpoints = checkpoints
        self.blobs = blobs
        self.writes = writes
        self.bytes = bytes
    }

    package static func += (left: inout RowCounts, right: RowCounts) {
        left.checkpoints += right.checkpoints
        left.blobs += right.blobs
        left.writes += right.writes
        left.bytes += right.bytes
    }
}
