import Checkpoints
import JSON

/// Reads the claims of a token whose signature is good.
struct TokenClaims {
    /// How far the clocks of issuer and server may differ, in seconds.
    static let leeway = 60.0
    private static let maximumNameBytes = 256
    /// The end of year 9999: a later date is a mistake, such as milliseconds.
    private static let latestDate = 253_402_300_800.0

    let principal: Principal
    /// When the token expires, in seconds since 1970.
    let expiry: Double

    /// `now` is in seconds since 1970.
    init(_ payload: [UInt8], settings: JWTSettings, now: Double) throws(AuthenticationFailure) {
        guard let claims = JSONValue(strictObject: payload) else {
            throw AuthenticationFailure("the token's claims are not a JSON object with unique names")
        }
        guard claims["iss"] == .string(JSONString(settings.issuer)) else {
            throw AuthenticationFailure("the token is of another issuer")
        }
        try Self.checkAudience(claims["aud"], JSONString(settings.audience))
        expiry = try Self.checkDates(claims, now: now)
        guard let subject = Self.name(claims["sub"]) else {
            throw AuthenticationFailure("the token has no usable subject")
        }
        var tenant = Tenant.default
        if let claim = settings.tenantClaim {
            guard let name = Self.name(claim.value(in: claims)) else {
                throw AuthenticationFailure("the token has no usable tenant")
            }
            tenant = Tenant(name: Identifier(name))
        }
        principal = Principal(
            name: "jwt:\(subject)",
            tenant: tenant,
            scopes: try Self.scopes(settings.scopesClaim.value(in: claims))
        )
    }

    private static func checkAudience(_ claim: JSONValue?, _ audience: JSONString) throws(AuthenticationFailure) {
        let isMeant =
            switch claim {
            case .string(let one): one == audience
            case .array(let several): several.allSatisfy(\.isString) && several.contains(.string(audience))
            default: false
            }
        guard isMeant else { throw AuthenticationFailure("the token is for another audience") }
    }

    /// When the token expires, if it is valid now.
    private static func checkDates(_ claims: JSONValue, now: Double) throws(AuthenticationFailure) -> Double {
        guard let expiry = try date(claims["exp"]) else { throw AuthenticationFailure("the token never expires") }
        guard now < expiry + leeway else { throw AuthenticationFailure("the token has expired", .expired) }
        if let start = try date(claims["nbf"]), start > now + leeway {
            throw AuthenticationFailure("the token is not valid yet")
        }
        if let issue = try date(claims["iat"]), issue > now + leeway {
            throw AuthenticationFailure("the token was issued in the future")
        }
        return expiry
    }

    private static func date(_ claim: JSONValue?) throws(AuthenticationFailure) -> Double? {
        guard let claim else { return nil }
        guard case .number(let number) = claim, case let seconds = number.double, (0..<latestDate).contains(seconds)
        else { throw AuthenticationFailure("a date of the token is not a number of seconds") }
        return seconds
    }

    /// A subject or tenant; nil for what is no text, empty, too long, or would disturb a log that it is written to.
    private static func name(_ claim: JSONValue?) -> String? {
        guard let text = claim?.string, (1...maximumNameBytes).contains(text.utf8.count) else { return nil }
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        return isPlain ? text : nil
    }

    /// The words that are ours, of a string of words or a list of them; none when there is no such claim.
    private static func scopes(_ claim: JSONValue?) throws(AuthenticationFailure) -> Set<Scope> {
        let words: [Substring]
        switch claim {
        case nil: words = []
        case .string(let text): words = (text.string ?? "").split(separator: " ")
        case .array(let list) where list.allSatisfy(\.isString):
            words = list.compactMap { $0.string.map { $0[...] } }
        default: throw AuthenticationFailure("the token's scopes are neither words nor a list of words")
        }
        let prefix = "milepost:"
        return Set(
            words.compactMap { word in
                Scope(rawValue: String(word.hasPrefix(prefix) ? word.dropFirst(prefix.count) : word))
            }
        )
    }
}

extension JSONValue {
    fileprivate var isString: Bool {
        if case .string = self { true } else { false }
    }
}
