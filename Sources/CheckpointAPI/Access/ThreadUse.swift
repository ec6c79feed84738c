import Authentication
import Checkpoints
import JSON

/// Which threads a call touches, as its body says.
enum ThreadUse: Sendable {
    /// Those named; what is done to each.
    case named([(thread: Identifier, operation: ThreadOperation)])
    /// Whatever threads the tenant has.
    case all

    static func read(_ thread: Identifier) -> ThreadUse { .named([(thread, .read)]) }
    static func update(_ thread: Identifier) -> ThreadUse { .named([(thread, .update)]) }
    static func delete(_ threads: Identifier...) -> ThreadUse { .delete(threads) }
    static func delete(_ threads: [Identifier]) -> ThreadUse { .named(threads.map { ($0, .delete) }) }

    var threads: [Identifier] {
        switch self {
        case .named(let uses): uses.map(\.thread)
        case .all: []
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

    /// Checks what can be said without asking anybody: the prefix of its threads.
    ///
    /// The answer does not depend on whether a thread exists.
    func requirePrefix(_ use: ThreadUse) throws(AccessDenial) {
        guard !threadPrefix.isEmpty else { return }
        switch use {
        case .named(let uses):
            for (thread, _) in uses where !thread.text.utf8.starts(with: threadPrefix.text.utf8) {
                throw .prefix(threadPrefix, thread)
            }
        case .all: throw .span("This credential is for threads whose ids begin with '\(threadPrefix)' alone")
        }
    }
}
