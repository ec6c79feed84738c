import ArgumentParser
import Configuration
import Testing

@testable import milepost

/// Where a server may listen.
@Suite
struct ExposureTests {
    private func read(
        _ arguments: [String],
        environment: [String: String] = [:]
    ) async throws -> ServerConfiguration {
        try await ServerConfiguration.read(
            ServerOptions.parse(arguments),
            environment: EnvironmentVariablesProvider(environmentVariables: environment)
        )
    }

    private func refusal(_ arguments: [String], environment: [String: String] = [:]) async -> String? {
        do {
            _ = try await read(arguments, environment: environment)
            return nil
        } catch {
            let error = error as? StartError
            return error?.isUsage == true ? error?.description : nil
        }
    }

    private static let keys = ["--api-keys-file", "keys.json"]
    private static let tls = ["--tls-certificate-file", "c.pem", "--tls-key-file", "k.pem"]

    @Test(
        "Without authentication only this machine gets in",
        arguments: ["127.0.0.1", "127.9.8.7", "localhost", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
    )
    func loopback(_ host: String) async throws {
        #expect(try await read(["--host", host]).exposure.warning == nil)
    }

    @Test(
        "Any other address is refused, with what to do",
        arguments: [
            "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "128.0.0.1", "localhost.example",
            "127.0.0.1.example", "127.1", "LOCALHOST",
        ]
    )
    func open(_ host: String) async throws {
        let refusal = try #require(await refusal(["--host=\(host)"]))
        #expect(refusal.contains("--api-keys-file"))
        #expect(refusal.contains("--insecure-allow-open"))
        // TLS says nothing about who the client is.
        #expect(await self.refusal(["--host=\(host)"] + Self.tls) == refusal)
        #expect(await self.refusal(["--host=\(host)", "--behind-tls-proxy"]) == refusal)
    }

    @Test("Whoever insists gets it, and a warning")
    func insists() async throws {
        let open = try await read(["--host", "0.0.0.0", "--insecure-allow-open"])
        #expect(open.exposure.warning?.contains("insecure-allow-open") == true)
        #expect(try await read(["--insecure-allow-open"]).exposure.warning == nil)
        let keys = try await read(["--host", "0.0.0.0", "--insecure-allow-open", "--behind-tls-proxy"] + Self.keys)
        #expect(keys.exposure.warning == nil)
    }

    @Test("Credentials do not cross a network in the clear")
    func plain() async throws {
        for mode in [Self.keys, ["--agentex-auth-url", "http://auth"]] {
            let refusal = try #require(await refusal(["--host", "0.0.0.0"] + mode))
            #expect(refusal.contains("--tls-certificate-file"))
            #expect(refusal.contains("--behind-tls-proxy"))
            // The flag is about authentication, not about TLS.
            #expect(await self.refusal(["--host", "0.0.0.0", "--insecure-allow-open"] + mode) != nil)
            _ = try await read(["--host", "0.0.0.0"] + mode + Self.tls)
            _ = try await read(["--host", "0.0.0.0", "--behind-tls-proxy"] + mode)
            _ = try await read(mode)
        }
    }

    @Test("The provider's address is taken by Agentex' own name too, and Milepost's comes first")
    func agentex() async throws {
        let shared = ["AGENTEX_AUTH_URL": "http://a"]
        #expect(try await read([], environment: shared).access.agentexURL == "http://a")
        let both = shared.merging(["MILEPOST_AGENTEX_AUTH_URL": "http://b"]) { first, _ in first }
        #expect(try await read([], environment: both).access.agentexURL == "http://b")
        #expect(try await read(["--agentex-auth-url", "http://c"], environment: both).access.agentexURL == "http://c")
    }

    @Test("Half of what TLS or tokens need is refused, with the other half's name")
    func halves() async throws {
        #expect(await refusal(["--tls-key-file", "k"])?.contains("tls-certificate-file") == true)
        #expect(await refusal(["--tls-certificate-file", "c"])?.contains("tls-key-file") == true)
        #expect(await refusal(["--tls-client-ca-file", "c"])?.contains("tls-key-file") == true)
        #expect(await refusal(["--jwt-jwks", "j"])?.contains("jwt-issuer") == true)
        #expect(await refusal(["--jwt-jwks", "j", "--jwt-issuer", "i"])?.contains("jwt-audience") == true)
        #expect(await refusal(["--jwt-issuer", "i"])?.contains("jwt-jwks") == true)
        #expect(await refusal(["--client-certificates-file", "c"] + Self.tls)?.contains("tls-client-ca-file") == true)
        #expect(await refusal(["--rate-limit=-1"])?.contains("rate-limit") == true)
    }
}
