package import Checkpoints
package import JSON

/// Who sent a request, what it may do, and whose threads it sees.
///
/// A class because it goes along with every request, and a copy of it should cost no more than a count.
package final class Principal: Hashable, Sendable {
    /// Names the caller in the audit log and for its rate: `local`, or the mode and what it calls the caller, such as
    /// `key:4f0c9a1e`.
    ///
    /// Never a secret.
    package let name: String
    package let tenant: Tenant
    package let scopes: Set<Scope>
    /// What the ids of its threads begin with; empty for all threads of the tenant.
    package let threadPrefix: Identifier
    /// What the Agentex provider said of the caller, word for word; nil when no provider is to be asked about threads.
    package let providerPrincipal: JSONText?

    package init(
        name: String,
        tenant: Tenant,
        scopes: Set<Scope>,
        threadPrefix: Identifier = "",
        providerPrincipal: JSONText? = nil
    ) {
        self.name = name
        self.tenant = tenant
        self.scopes = scopes
        self.threadPrefix = threadPrefix
        self.providerPrincipal = providerPrincipal
    }

    /// What tells callers apart whose rates are counted: tenants may have users of the same name.
    package struct Caller: Hashable, Sendable {
        let tenant: Tenant
        let name: String
    }

    package var caller: Caller { Caller(tenant: tenant, name: name) }

    package static func == (left: Principal, right: Principal) -> Bool {
        left === right
            || left.name == right.name && left.tenant == right.tenant && left.scopes == right.scopes
                && left.threadPrefix == right.threadPrefix && left.providerPrincipal == right.providerPrincipal
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(tenant)
        hasher.combine(scopes)
        hasher.combine(threadPrefix)
        hasher.combine(providerPrincipal)
    }

    /// The caller of a server without authentication: everything in the default tenant.
    package static let local = Principal(name: "local", tenant: .default, scopes: Set(Scope.allCases))

    /// Somebody who may do nothing.
    package static let nobody = Principal(name: "nobody", tenant: .default, scopes: [])
}
