/// What of a thread goes by itself.
package struct RetentionPolicy: Hashable, Sendable {
    /// The thread is deleted when its newest checkpoint is older; nil for never.
    package var idle: Duration?
    /// The thread is deleted when its first checkpoint is older; nil for never.
    package var age: Duration?
    /// Of each namespace so many of the newest checkpoints stay; nil for all.
    package var keepLast: Int?

    package init(idle: Duration? = nil, age: Duration? = nil, keepLast: Int? = nil) {
        self.idle = idle
        self.age = age
        self.keepLast = keepLast
    }

    package static let none = RetentionPolicy()

    /// The same with a thread's own time instead of the times.
    package func replaced(by settings: ThreadSettings) -> RetentionPolicy {
        guard let seconds = settings.timeToLive else { return self }
        return RetentionPolicy(idle: .seconds(seconds), keepLast: keepLast)
    }

    /// Whether a thread's time is over, whose first and newest checkpoints were made then.
    ///
    /// Never where one of the times is unknown, or in the future: a clock was wrong then, and may be now.
    package func isOver(first: String?, newest: String?, at now: WallTime) -> Bool {
        guard let first = first.flatMap(WallTime.init(iso8601:)), let newest = newest.flatMap(WallTime.init(iso8601:)),
            first <= now, newest <= now
        else { return false }
        if let idle, now.since(newest) > idle { return true }
        if let age, now.since(first) > age { return true }
        return false
    }
}

/// The policies of all tenants.
package struct RetentionPolicies: Hashable, Sendable {
    /// Of tenants that have none of their own.
    package var common: RetentionPolicy
    /// Each replaces the common one as a whole.
    package var ofTenants: [Tenant: RetentionPolicy]

    package init(_ common: RetentionPolicy = .none, ofTenants: [Tenant: RetentionPolicy] = [:]) {
        self.common = common
        self.ofTenants = ofTenants
    }

    package subscript(tenant: Tenant) -> RetentionPolicy { ofTenants[tenant] ?? common }

    /// Whether none of them lets anything go.
    package var isEmpty: Bool { common == .none && ofTenants.values.allSatisfy { $0 == .none } }
}

/// A thread as far as it must be known to say whether anything of it may go.
package struct ThreadOverview: Hashable, Sendable {
    package let thread: ThreadKey
    /// How many checkpoints each namespace has; empty for a thread that has only writes.
    package let checkpoints: [Identifier: Int]
    /// The checkpoint with the least id, and the one with the greatest, of all namespaces.
    package let first: NamespaceSummary.Step?
    package let head: NamespaceSummary.Step?
    package let settings: ThreadSettings

    package init(
        thread: ThreadKey,
        checkpoints: [Identifier: Int],
        first: NamespaceSummary.Step?,
        head: NamespaceSummary.Step?,
        settings: ThreadSettings
    ) {
        self.thread = thread
        self.checkpoints = checkpoints
        self.first = first
        self.head = head
        self.settings = settings
    }

    /// False only where nothing can go; to know more, the whole thread must be looked at.
    package func mayLose(under policy: RetentionPolicy, at now: WallTime) -> Bool {
        guard !settings.isHeld, !checkpoints.isEmpty else { return false }
        let policy = policy.replaced(by: settings)
        if policy.isOver(first: first?.time, newest: head?.time, at: now) { return true }
        guard let last = policy.keepLast else { return false }
        // A call of a subgraph may be over.
        return checkpoints.contains { $0.value > last || $0.key.text.utf8.contains(UInt8(ascii: ":")) }
    }
}
