import Authentication
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWTSettingsTests {
    @Test(
        "Keys come from an absolute path, over https, or over http from this machine",
        arguments: [
            "/etc/milepost/jwks.json", "https://issuer.example/jwks", "https://issuer.example:8443/a?b=c",
            "https://192.0.2.7/", "https://[2001:db8::1]:8443/jwks", "http://127.0.0.1:8080/jwks",
            "http://localhost/jwks",
            "http://[::1]:9/jwks", "https://issuer.example",
        ]
    )
    func accepted(_ location: String) throws {
        let settings = try JWTSettings(jwks: location, issuer: "i", audience: "a")
        #expect(settings.jwks == (location.hasPrefix("/") ? .file(location) : .url(location)))
        #expect(settings.algorithms == [.rs256, .es256, .eddsa])
    }

    @Test(
        "Keys come from nowhere else",
        arguments: [
            "", "jwks.json", "./jwks.json", "../jwks.json", "~/jwks.json", "file:///etc/jwks.json", "/jwks\u{0}.json",
            "http://issuer.example/jwks", "http://192.0.2.7/", "http://127.0.0.1.evil.example/",
            "http://localhost.evil/",
            "http://127.0.0.1@evil.example/", "http://127.0.0.1:80@evil.example/", "http://127.0.0.1\\@evil.example/",
            "http://evil.example#@127.0.0.1/", "http://evil.example/127.0.0.1", "http:///127.0.0.1", "https://",
            "https:///x",
            "https://:443/x", "https://user:secret@issuer.example/jwks", "https://issuer.example/#x",
            "https://issuer example/",
            "https://issuer.example/\n", "https://[::1", "ftp://issuer.example/", "HTTPS//issuer.example",
            "http+unix://%2Fx/",
            "http://[::ffff:192.0.2.7]/", "http://0.0.0.0/", "https://issuer.exämple/",
        ]
    )
    func refused(_ location: String) {
        let error = #expect(throws: JWTSettingsError.self) {
            try JWTSettings(jwks: location, issuer: "i", audience: "a")
        }
        #expect(error?.description.hasPrefix("jwt-jwks is neither an absolute path nor an https:// URL; give") == true)
        #expect(error?.description.contains("secret") == false)
    }

    @Test("Issuer, audience and the claim of the scopes must be named")
    func names() {
        func sentence(_ settings: () throws -> JWTSettings) -> String? {
            #expect(throws: JWTSettingsError.self) { try settings() }?.description
        }
        let path = "/jwks.json"
        #expect(sentence { try JWTSettings(jwks: path, issuer: "", audience: "a") }?.contains("jwt-issuer") == true)
        #expect(sentence { try JWTSettings(jwks: path, issuer: "i", audience: "") }?.contains("jwt-audience") == true)
        let noScopes = sentence { try JWTSettings(jwks: path, issuer: "i", audience: "a", scopesClaim: "") }
        #expect(noScopes?.contains("jwt-scopes-claim") == true)
    }

    @Test(
        "An algorithm that is symmetric, none or unknown cannot be configured",
        arguments: [["none"], ["HS256"], ["RS256", "HS512"], ["rs256"], [""], ["RS256 "], ["*"], []]
    )
    func algorithms(_ names: [String]) {
        let error = #expect(throws: JWTSettingsError.self) {
            try JWTSettings(jwks: "/jwks.json", issuer: "i", audience: "a", algorithms: names)
        }
        #expect(error?.description.hasPrefix("jwt-algorithms ") == true)
    }
}
