package import Checkpoints

/// What a key file says of one key.
package struct APIKeyRecord: Hashable, Sendable {
    package enum State: String, Sendable {
        case active
        case expired
        case revoked
    }

    /// Names the key where the key itself must not stand: in lists, in logs and to `keys revoke`.
    package let id: String
    package let hash: APIKeyHash
    package let tenant: Tenant
    package let scopes: Set<Scope>
    package let created: APIKeyTime
    /// From when on it is not accepted; nil for never.
    package let expires: APIKeyTime?
    /// What the ids of its threads begin with; empty for all threads of the tenant.
    package let threadPrefix: Identifier
    package let note: String
    /// When it was revoked; nil when it was not.
    package var revoked: APIKeyTime?

    package init(
        id: String,
        hash: APIKeyHash,
        tenant: Tenant,
        scopes: Set<Scope>,
        created: APIKeyTime,
        expires: APIKeyTime? = nil,
        threadPrefix: Identifier = "",
        note: String = "",
        revoked: APIKeyTime? = nil
    ) {
        self.id = id
        self.hash = hash
        self.tenant = tenant
        self.scopes = scopes
        self.created = created
        self.expires = expires
        self.threadPrefix = threadPrefix
        self.note = note
        self.revoked = revoked
    }

    /// What a server makes of it at that time.
    package func state(at time: APIKeyTime) -> State {
        if revoked != nil { return .revoked }
        return expires.map { $0 <= time } ?? false ? .expired : .active
    }

    /// Who its holder is.
    var principal: Principal {
        Principal(name: "key:\(id)", tenant: tenant, scopes: scopes, threadPrefix: threadPrefix)
    }
}
