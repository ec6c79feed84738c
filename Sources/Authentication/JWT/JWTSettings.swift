/// Whose tokens are accepted, for whom, and what their claims mean.
package struct JWTSettings: Sendable {
    /// What `iss` must be, to the byte.
    package let issuer: String
    /// What `aud` must be or contain, to the byte.
    package let audience: String
    package let algorithms: Set<SignatureAlgorithm>
    package let jwks: JWKSLocation
    /// Nil: every token is of the default tenant.
    let tenantClaim: ClaimPath?
    let scopesClaim: ClaimPath

    package static let defaultAlgorithms = ["RS256", "ES256", "EdDSA"]
    package static let defaultTenantClaim = "tenant"
    package static let defaultScopesClaim = "scope"

    /// The settings, from what an operator wrote.
    ///
    /// A claim's name may be a path, such as `realm.tenant`; a claim of exactly that name comes first. An empty
    /// `tenantClaim` puts every token into the default tenant.
    package init(
        jwks: String,
        issuer: String,
        audience: String,
        algorithms: [String] = defaultAlgorithms,
        tenantClaim: String = defaultTenantClaim,
        scopesClaim: String = defaultScopesClaim
    ) throws(JWTSettingsError) {
        guard let location = JWKSLocation(jwks) else {
            throw JWTSettingsError(
                "jwt-jwks is neither an absolute path nor an https:// URL; "
                    + "give the file of the issuer's keys, or the jwks_uri of its openid-configuration "
                    + "(http:// is only for 127.0.0.1, [::1] and localhost; no user name and no '#')"
            )
        }
        guard !issuer.isEmpty else {
            throw JWTSettingsError("jwt-issuer is missing; give it the 'iss' of the tokens, to the letter")
        }
        guard !audience.isEmpty else {
            throw JWTSettingsError("jwt-audience is missing; give it what the 'aud' of tokens for this server has")
        }
        guard !scopesClaim.isEmpty else {
            throw JWTSettingsError("jwt-scopes-claim is empty; name the claim that has the scopes, such as 'scope'")
        }
        self.jwks = location
        self.issuer = issuer
        self.audience = audience
        self.algorithms = try Self.algorithms(algorithms)
        self.tenantClaim = tenantClaim.isEmpty ? nil : ClaimPath(tenantClaim)
        self.scopesClaim = ClaimPath(scopesClaim)
    }

    private static func algorithms(_ names: [String]) throws(JWTSettingsError) -> Set<SignatureAlgorithm> {
        let known = SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
        var algorithms: Set<SignatureAlgorithm> = []
        for name in names {
            guard let algorithm = SignatureAlgorithm(rawValue: name) else {
                throw JWTSettingsError("jwt-algorithms has '\(name)', which is not one of \(known); take it out")
            }
            algorithms.insert(algorithm)
        }
        guard !algorithms.isEmpty else {
            throw JWTSettingsError("jwt-algorithms is empty; name what the issuer signs with, of \(known)")
        }
        return algorithms
    }
}

/// Why tokens cannot be accepted as configured, and what to do about it.
package struct JWTSettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
