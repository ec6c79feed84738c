import Checkpoints
import Encryption
import Foundation
import TestSupport
import Testing

@Suite("No plaintext", .timeLimit(.minutes(5)))
struct NoPlaintextTests {
    private let secret = "the-eagle-has-landed"

    private func files(_ directory: TemporaryDirectory) throws -> [(name: String, hasSecret: Bool)] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).map { name in
            let bytes = try Data(contentsOf: URL(fileURLWithPath: directory.file(name)))
            return (name, bytes.range(of: Data(secret.utf8)) != nil)
        }
    }

    @Test("None of what is stored is in the SQLite file or its log, while it is open and after")
    func sqlite() async throws {
        let directory = try TemporaryDirectory()
        try await Engine.sqlite.withEncrypted(directory) { store in
            try await Planted.fill(store, secret: secret)
            let open = try files(directory)
            #expect(open.contains { $0.name == "store.db-wal" })
            #expect(open.allSatisfy { !$0.hasSecret })
        }
        #expect(try files(directory).allSatisfy { !$0.hasSecret })
        try await Engine.sqlite.withEncrypted(directory) { store in
            let blob = try await store.tuple(in: Planted.threads[0], namespace: "", id: "c1")?.blobs.first
            #expect(blob?.bytes == Array("\(secret) a1 of 0".utf8))
        }
    }

    @Test("Rekeying leaves nothing in the SQLite file of what was in clear")
    func rekeyed() async throws {
        let directory = try TemporaryDirectory()
        try await Engine.sqlite.withBase(directory) { try await Planted.fill($0, secret: secret) }
        #expect(try files(directory).contains { $0.hasSecret })
        try await Engine.sqlite.withBase(directory) { base in
            let result = try await Rekeying(base, keys: .sample(), .seal).run()
            #expect(result.rewritten == 3)
        }
        #expect(try files(directory).allSatisfy { !$0.hasSecret })
    }

    @Test("None of what is stored is in PostgreSQL's rows")
    func postgres() async throws {
        let directory = try TemporaryDirectory()
        try await Engine.postgres.withEncrypted(directory) { try await Planted.fill($0, secret: secret) }
        let target = try PostgresServer.schema(named: directory.name)
        let query = """
            SELECT t::text FROM checkpoints AS t WHERE t::text LIKE '%KEY%'
            UNION ALL SELECT t::text FROM checkpoint_blobs AS t WHERE position('KEY'::bytea in blob) > 0
            UNION ALL SELECT t::text FROM checkpoint_writes AS t WHERE position('KEY'::bytea in blob) > 0
            """
        #expect(try PostgresServer.execute(query.replacing("KEY", with: secret), on: target) == [])
        // The same statement finds what is in clear.
        #expect(try PostgresServer.execute(query.replacing("KEY", with: "milepost_sealed"), on: target).count == 6)
    }
}
