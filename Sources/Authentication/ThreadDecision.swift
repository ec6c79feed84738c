package import Checkpoints
package import JSON

/// Whether a caller may do to a thread what it asks for.
package enum ThreadDecision: Hashable, Sendable {
    case allowed
    case refused(ThreadRefusal)

    /// The caller may not know whether there is such a thread.
    package static func notFound(_ thread: Identifier) -> ThreadDecision {
        .refused(ThreadRefusal(status: 404, message: "Item with id '\(thread)' does not exist."))
    }

    /// The caller may see the thread, but not do this to it.
    package static func forbidden(_ message: String = "Forbidden – principal lacks permission") -> ThreadDecision {
        .refused(ThreadRefusal(status: 403, message: message))
    }
}

/// What the client is answered instead of being let at the thread.
package struct ThreadRefusal: Hashable, Sendable {
    package let status: Int
    package let message: String

    package init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    /// The envelope of the original server: `{"message":…,"code":…,"data":null}`.
    package var body: JSONText {
        var writer = JSONWriter(reservingCapacity: message.utf8.count + 48)
        writer.raw("{\"message\":")
        writer.string(message)
        writer.raw(",\"code\":")
        writer.integer(status)
        writer.raw(",\"data\":null}")
        return JSONText(trusted: writer.bytes)
    }
}
