import CheckpointAPI
import Testing

/// Certificates that are replaced while the server runs; by itself, because it waits for a clock.
@Suite("Certificates that change while the server runs", .timeLimit(.minutes(5)))
struct CertificateReloadTests {
    @Test("the files are looked at once a second")
    func run() async throws {
        let authority = try TestAuthority()
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        let before = ObjectIdentifier(tls.context)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await tls.run() }
            try files.write(authority.pair())
            #expect(try await TestServer.wait { ObjectIdentifier(tls.context) != before })
            group.cancelAll()
        }
    }
}
