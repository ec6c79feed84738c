import Checkpoints
import Encryption
import Foundation
import PostgresStorage
import TestSupport
import Testing

@Suite("Rekeying", .timeLimit(.minutes(5)))
struct RekeyingTests {
    private func rekey(
        _ base: any SealableStore,
        _ keys: EncryptionKeys,
        _ goal: Rekeying.Goal,
        acceptsPlaintext: Bool = false
    ) async throws -> (rewritten: Int, failed: [ThreadKey]) {
        let result = try await Rekeying(base, keys: keys, goal, acceptsPlaintext: acceptsPlaintext).run()
        return (result.rewritten, result.failed.map(\.thread))
    }

    private func refusal(_ base: some SealableStore, _ keys: EncryptionKeys?) async -> StoreOpenError? {
        await #expect(throws: StoreOpenError.self) { try await openStore(base, keys: keys) }
    }

    @Test(
        "A store is encrypted, gets another key, and is decrypted; each time it has what it had",
        arguments: Engine.allCases)
    func roundTrip(_ engine: Engine) async throws {
        let directory = try TemporaryDirectory()
        let (old, both, new) = (
            try EncryptionKeys.sample("old"), try EncryptionKeys.sample("new", "old"), try EncryptionKeys.sample("new")
        )
        try await engine.withBase(directory) { base in
            try await Planted.fill(base)
            let contents = try await base.contents()
            #expect(await refusal(base, old)?.hint.contains("milepost rekey") == true)
            #expect(try await rekey(base, old, .seal).rewritten == 3)
            #expect(try await base.encryptionState() == .sealed)
            #expect(await refusal(base, nil)?.description.contains("encryption-keys-file") == true)
            #expect(try await Engine.opened(base, old).contents() == contents)
            #expect(try await base.contents() != contents)
            #expect(try await rekey(base, old, .seal).rewritten == 0)

            #expect(try await rekey(base, both, .seal).rewritten == 3)
            #expect(try await Engine.opened(base, new).contents() == contents)
            #expect(try await rekey(base, old, .seal).failed.count == 3)
            #expect(try await base.encryptionState() == .sealed)

            #expect(try await rekey(base, new, .open).rewritten == 3)
            #expect(try await base.encryptionState() == .clear)
            #expect(try await base.contents() == contents)
            #expect(try await Engine.opened(base, nil).contents() == contents)
            #expect(try await base.verify().isEmpty)
        }
        try await engine.withBase(directory) { base in
            let state = try await base.encryptionState()
            #expect(state == .clear)
        }
    }

    @Test("An empty store is marked when it is opened with keys, and stays marked", arguments: Engine.allCases)
    func marked(_ engine: Engine) async throws {
        let directory = try TemporaryDirectory()
        try await engine.withEncrypted(directory) { _ in }
        try await engine.withBase(directory) { base in
            let state = try await base.encryptionState()
            #expect(state == .sealed)
            #expect(await refusal(base, nil)?.kind == .encrypted)
        }
    }

    @Test("Tables that LangGraph made are not encrypted")
    func adopted() async throws {
        let directory = try TemporaryDirectory()
        await PostgresServer.turns.take()
        let store = try PostgresStore(ConnectionString(LangGraphTables.schema(named: directory.name)))
        let error = await refusal(store, try .sample())
        #expect(error?.kind == .foreign)
        #expect(error?.description.contains("LangGraph") == true)
        #expect(try await store.encryptionState() == .clear)
        await store.close()
        await PostgresServer.turns.giveBack()
    }

    @Test("A version of the program that knows nothing of encryption finds another's store", arguments: Engine.allCases)
    func older(_ engine: Engine) async throws {
        let directory = try TemporaryDirectory()
        try await engine.withEncrypted(directory) { _ in }
        switch engine {
        case .sqlite:
            // Where the application's id is. https://www.sqlite.org/fileformat.html#application_id
            let id = try FileHandle(forReadingFrom: URL(fileURLWithPath: directory.file("store.db"))).read(
                upToCount: 72)
            #expect(id?.suffix(4) == Data("MilS".utf8))
        case .postgres:
            let target = try PostgresServer.schema(named: directory.name)
            #expect(
                try PostgresServer.execute("SELECT max(version) > 1000 FROM milepost_migrations", on: target) == ["t"])
        }
    }

    @Test("Wherever rekeying ends, every thread can be read, and running it again finishes", arguments: Engine.allCases)
    func interrupted(_ engine: Engine) async throws {
        let (old, both, new) = (
            try EncryptionKeys.sample("old"), try EncryptionKeys.sample("new", "old"), try EncryptionKeys.sample("new")
        )
        // Two marks and three threads, before and after each.
        for stop in 0...10 {
            let directory = try TemporaryDirectory()
            try await engine.withBase(directory) { base in
                try await Planted.fill(base)
                let contents = try await base.contents()
                try await stopAndFinish(base, old, .seal, stop, contents)
                #expect(try await Engine.opened(base, old).contents() == contents)
                try await stopAndFinish(base, both, .seal, stop, contents)
                #expect(try await Engine.opened(base, new).contents() == contents)
                try await stopAndFinish(base, new, .open, stop, contents)
                #expect(try await Engine.opened(base, nil).contents() == contents)
            }
        }
    }

    /// Stops at the change of that number, looks, and goes on.
    private func stopAndFinish(
        _ base: some SealableStore,
        _ keys: EncryptionKeys,
        _ goal: Rekeying.Goal,
        _ stop: Int,
        _ contents: [ThreadKey: [ThreadRow]]
    ) async throws {
        do {
            _ = try await rekey(StoppingStore(base, after: stop), keys, goal)
        } catch is StoreOpenError {
            // What a server would see now.
            let isUntouched = try await base.encryptionState() == .clear
            #expect(try await Engine.opened(base, isUntouched ? nil : keys).contents() == contents)
        }
        #expect(try await rekey(base, keys, goal).failed.isEmpty)
    }

    @Test("What is in clear in an encrypted store is sealed only when that is asked for", arguments: Engine.allCases)
    func plaintext(_ engine: Engine) async throws {
        let keys = try EncryptionKeys.sample()
        let directory = try TemporaryDirectory()
        try await engine.withBase(directory) { base in
            _ = try await Engine.opened(base, keys)
            try await Planted.fill(base)
            let contents = try await base.contents()
            #expect(try await rekey(base, keys, .seal).failed.sorted() == Planted.threads.sorted())
            #expect(try await base.contents() == contents)
            #expect(try await rekey(base, keys, .seal, acceptsPlaintext: true).failed.isEmpty)
            #expect(try await Engine.opened(base, keys).contents() == contents)
        }
    }

    @Test("A store that is being rekeyed warns, and takes what is in clear", arguments: Engine.allCases)
    func mixed(_ engine: Engine) async throws {
        let keys = try EncryptionKeys.sample()
        let directory = try TemporaryDirectory()
        try await engine.withBase(directory) { base in
            try await Planted.fill(base)
            let contents = try await base.contents()
            try await base.setEncryptionState(.mixed)
            let store = try await Engine.opened(base, keys)
            #expect(store.warnings.contains { $0.contains("milepost rekey") })
            #expect(try await store.contents() == contents)
            #expect(await refusal(base, nil)?.kind == .encrypted)
        }
    }

    @Test("A thread of many pages is rewritten and copied whole", arguments: Engine.allCases)
    func longThread(_ engine: Engine) async throws {
        let keys = try EncryptionKeys.sample()
        let directory = try TemporaryDirectory()
        let thread = ThreadKey("long")
        var rows: [ThreadRow] = (0..<150).map { .blob(namespace: "", .sample("a", Identifier("\($0)"), [UInt8($0)])) }
        rows.append(.blob(namespace: "", .sample("b", "1", [UInt8](repeating: 5, count: 5 << 20))))
        rows += (0..<200).map { .write(namespace: "", checkpointID: "c", .sample("t", $0, [UInt8($0)])) }
        rows += (0..<70).map { .write(namespace: "", checkpointID: "never", .sample("t", $0, [UInt8($0)])) }
        rows += (0..<100).map { .checkpoint(.sample(.sample(Identifier("c\($0)"), thread: thread))) }
        let added = rows
        try await engine.withBase(directory) { base in
            try await base.add(added, to: thread)
            let expected = try await base.allRows(of: thread)
            #expect(expected.count == 521)
            let result = try await Rekeying(base, keys: keys, .seal).run()
            #expect(result.rewritten == 1)
            let store = try await Engine.opened(base, keys)
            let sealed = try await store.allRows(of: thread)
            #expect(sealed == expected)
            let outcomes = [
                try await store.copyThread(thread, to: "copy"), try await store.copyThread(thread, to: "copy"),
            ]
            #expect(outcomes == [.done, .done])
            let copied = try await store.allRows(of: ThreadKey("copy"))
            #expect(copied.count == 521)
            #expect(copied.filter { !$0.isCheckpoint } == expected.filter { !$0.isCheckpoint })
            let damage = try await store.verify()
            #expect(damage.isEmpty)
            try await store.deleteThread(thread)
            let left = try await store.allThreads()
            #expect(left == [ThreadKey("copy")])
        }
    }
}

extension ThreadRow {
    fileprivate var isCheckpoint: Bool {
        if case .checkpoint = self { return true }
        return false
    }
}
