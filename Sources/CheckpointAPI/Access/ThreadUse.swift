import Authentication
import Checkpoints
import JSON

/// Which threads a call touches, as its body says.
enum ThreadUse: Sendable {
    /// The one that is named, and what is done to it.
    case thread(Identifier, ThreadOperation)
    /// Those named; what is done to each.
    case threads([(thread: Identifier, operation: ThreadOperation)])
    /// Whatever threads the tenant has.
    case all

    var threads: [Identifier] {
        switch self {
        case .thread(let thread, _): [thread]
        case .threads(let uses): uses.map(\.thread)
        case .all: []
        }
    }
}

extension ThreadOperation {
    /// What a credential needs for it.
    fileprivate var scope: Scope {
        switch self {
        case .read: .read
        case .update: .write
        case .delete: .delete
        }
    }
}

extension Scope {
    /// What a call of this scope does to the thread that it names.
    var operation: ThreadOperation {
        switch self {
        case .write: .update
        case .delete: .delete
        case .read, .admin, .inspect: .read
        }
    }
}

extension Principal {
    func require(_ scope: Scope) throws(AccessDenial) {
        guard scopes.contains(scope) else { throw .scope(scope) }
    }

    /// Checks what can be said without asking anybody: the scope of each thing that is done, and the prefix of its threads.
    ///
    /// The answer does not depend on whether a thread exists.
    func require(_ use: ThreadUse) throws(AccessDenial) {
        switch use {
        case .thread(let thread, let operation): try require(operation, on: thread)
        case .threads(let uses): for (thread, operation) in uses { try require(operation, on: thread) }
        case .all:
            guard threadPrefix.isEmpty else { throw .span(AccessDenial.prefixed(threadPrefix)) }
        }
    }

    private func require(_ operation: ThreadOperation, on thread: Identifier) throws(AccessDenial) {
        try require(operation.scope)
        guard threadPrefix.isEmpty || thread.text.utf8.starts(with: threadPrefix.text.utf8) else {
            throw .prefix(threadPrefix, thread)
        }
    }
}
