package import Checkpoints

/// What an endpoint needs its caller to be allowed.
package enum Permission: Hashable, Sendable, CaseIterable {
    case read
    case write
    case delete
}

/// Who sent a request, what it may do, and whose threads it sees.
package struct Principal: Hashable, Sendable {
    package let tenant: Tenant
    package let permissions: Set<Permission>

    package init(tenant: Tenant, permissions: Set<Permission>) {
        self.tenant = tenant
        self.permissions = permissions
    }

    /// The caller of a server without authentication: everything in the default tenant.
    package static let local = Principal(tenant: .default, permissions: Set(Permission.allCases))
}
