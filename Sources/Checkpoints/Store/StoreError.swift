/// Why a store could not do what it was asked.
///
/// `description` is safe to log and to show: it names no key, path, bound value or blob. The engine's own words
/// are in `debugDescription`, for the log alone.
package struct StoreError: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What went wrong, as far as a caller can act on it.
    package enum Kind: Hashable, Sendable, CaseIterable {
        /// Another connection holds the store, or the queue of changes is full: try again.
        case busy
        /// No space is left. Nothing changed; reads go on.
        case full
        /// What was sent would make something stored longer than the store takes. Nothing changed.
        case tooLarge
        /// The thread is held: nothing of it is deleted. Nothing changed.
        case held
        /// The store cannot be reached, or an I/O call failed. What became of the change is unknown; it can be
        /// sent again, because every call is idempotent.
        case unavailable
        /// What was read is damaged. Nothing was returned in its place.
        case corrupt
        /// The store is closing down and takes no more work.
        case closed
        /// A defect of the program: the engine refused a statement it should have taken.
        case unexpected
    }

    package let kind: Kind
    /// What was being done, as a verb phrase such as `put writes`.
    package let operation: String
    /// The engine's words.
    ///
    /// May name files or tables; never shown to a client.
    package let detail: String

    package init(_ kind: Kind, during operation: String, detail: String = "") {
        self.kind = kind
        self.operation = operation
        self.detail = detail
    }

    package var description: String {
        switch kind {
        case .busy: "could not \(operation): the store is busy"
        case .full: "could not \(operation): the store's disk is full"
        case .tooLarge: "could not \(operation): it would be longer than the store takes"
        case .held: "could not \(operation): the thread is held"
        case .unavailable: "could not \(operation): the store is not available"
        case .corrupt: "could not \(operation): the store is damaged there"
        case .closed: "could not \(operation): the store is closing"
        case .unexpected: "could not \(operation): unexpected error of the storage engine"
        }
    }

    package var debugDescription: String {
        detail.isEmpty ? description : "\(description) (\(detail))"
    }
}
