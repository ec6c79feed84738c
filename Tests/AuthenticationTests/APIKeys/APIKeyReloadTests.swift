import Authentication
import Checkpoints
import Foundation
import Glibc
import HTTPTypes
import Logging
import Synchronization
import TestSupport
import Testing

@Suite("Keys that change while the server runs", .timeLimit(.minutes(5)))
struct APIKeyReloadTests {
    private let directory: TemporaryDirectory
    private let file: APIKeyFile
    private let log = LogRecorder()

    init() throws {
        directory = try TemporaryDirectory()
        file = APIKeyFile(path: directory.file("keys.json"))
    }

    private func key() throws -> (key: APIKey, record: APIKeyRecord) {
        try file.create(tenant: .default, scopes: [.read], expires: nil)
    }

    private func ring() throws -> APIKeyRing {
        try APIKeyRing(file: file, logger: log.logger)
    }

    private func accepts(_ ring: APIKeyRing, _ key: APIKey) throws -> Bool {
        let name = try #require(HTTPField.Name("x-api-key"))
        let credentials = Credentials(headers: [name: key.text], source: "test")
        return try #require(ring.principalAtOnce(for: credentials)).map { _ in true }.recovering(false)
    }

    /// Puts a text in the place of the file, as an editor does.
    private func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file.path))
        chmod(file.path, 0o600)
    }

    @Test("A revocation holds within 2 s, a new key too, and looking ends with its task")
    func revocation() async throws {
        let (old, record) = try key()
        let ring = try ring()
        #expect(try accepts(ring, old))
        let took = try await withThrowingTaskGroup { group in
            group.addTask { await ring.run() }
            // Not before the ring sleeps between two looks.
            try await Task.sleep(for: .milliseconds(300))
            let (new, _) = try key()
            _ = try file.revoke([record.id])
            let start = ContinuousClock.now
            while try accepts(ring, old) || !accepts(ring, new) {
                try #require(ContinuousClock.now - start < .seconds(2), "still as before after 2 s")
                try await Task.sleep(for: .milliseconds(5))
            }
            group.cancelAll()
            try await group.waitForAll()
            return ContinuousClock.now - start
        }
        #expect(took < .seconds(2))
    }

    @Test("Changes that follow each other are each taken up at the next look, in whatever way they are written")
    func changes() throws {
        let (key, record) = try key()
        let ring = try ring()
        let active = try String(contentsOfFile: file.path, encoding: .utf8)
        _ = try file.revoke([record.id])
        let revoked = try String(contentsOfFile: file.path, encoding: .utf8)
        for _ in 0..<20 {
            ring.look()
            #expect(try !accepts(ring, key))
            // In place and of the same size.
            try write(active + String(repeating: " ", count: revoked.utf8.count - active.utf8.count))
            ring.look()
            #expect(try accepts(ring, key))
            try write(revoked)
        }
    }

    @Test("A file that is as it was is not read, and nothing is logged of it")
    func unchanged() throws {
        _ = try key()
        let ring = try ring()
        for _ in 0..<5 { ring.look() }
        #expect(log.lines.isEmpty)
    }

    @Test("A file that is wrong leaves the keys as they were and is logged once, and again when it is wrong anew")
    func malformed() throws {
        let (key, record) = try key()
        let right = try String(contentsOfFile: file.path, encoding: .utf8)
        let ring = try ring()
        try write(#"{"keys": [{}]}"#)
        for _ in 0..<3 { ring.look() }
        #expect(try accepts(ring, key))
        #expect(log.lines.map(\.level) == [.error])
        #expect(log.lines.first?.message == "the key file cannot be used; the API keys read before stay")
        #expect(log.lines.first?.problem?.contains("keys[0] has no 'id'") == true)
        try write(#"{"keys": [{} ]}"#)
        for _ in 0..<3 { ring.look() }
        #expect(log.lines.count == 2)
        try write(right)
        ring.look()
        #expect(log.lines.map(\.level) == [.error, .error, .notice])
        #expect(log.lines.last?.message == "the API keys are read again")
        #expect(try accepts(ring, key))
        _ = try file.revoke([record.id])
        ring.look()
        #expect(try !accepts(ring, key))
    }

    @Test("One that others may use is not taken up until that is mended")
    func exposed() throws {
        let (key, _) = try key()
        let ring = try ring()
        let (new, _) = try self.key()
        chmod(file.path, 0o644)
        ring.look()
        #expect(try accepts(ring, key) && !accepts(ring, new))
        #expect(log.lines.first?.problem?.contains("chmod 600") == true)
        chmod(file.path, 0o600)
        ring.look()
        #expect(try accepts(ring, new))
    }

    @Test("A file that is gone has no keys, which is logged once, and one that comes back has them again")
    func gone() throws {
        let (key, _) = try key()
        let ring = try ring()
        let away = directory.file("away.json")
        #expect(rename(file.path, away) == 0)
        for _ in 0..<3 { ring.look() }
        #expect(try !accepts(ring, key))
        #expect(log.lines.map(\.message) == ["the key file is gone; no API key is accepted"])
        #expect(log.lines.map(\.level) == [.error])
        #expect(rename(away, file.path) == 0)
        ring.look()
        #expect(try accepts(ring, key))
    }

    @Test("Requests while the keys change are answered from the old ones or the new")
    func concurrency() async throws {
        let (kept, _) = try key()
        let ring = try ring()
        try await withThrowingTaskGroup { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<2_000 {
                        let isAccepted = try accepts(ring, kept)
                        #expect(isAccepted)
                    }
                }
            }
            for _ in 0..<50 {
                let (new, _) = try key()
                ring.look()
                #expect(try accepts(ring, new))
            }
            try await group.waitForAll()
        }
        #expect(log.lines.allSatisfy { $0.level == .notice })
    }
}

extension Result {
    fileprivate func recovering(_ value: Success) -> Success {
        if case .success(let success) = self { success } else { value }
    }
}

/// Keeps what was logged.
private final class LogRecorder: Sendable {
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        let problem: String?
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = Line(
                level: event.level, message: event.message.description,
                problem: event.metadata?["problem"]?.description
            )
            recorder.recorded.withLock { $0.append(line) }
        }
    }

    private let recorded = Mutex<[Line]>([])
    var lines: [Line] { recorded.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }
}
