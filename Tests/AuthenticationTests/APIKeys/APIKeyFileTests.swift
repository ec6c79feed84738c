import Authentication
import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("A key file", .timeLimit(.minutes(5)))
struct APIKeyFileTests {
    private let directory: TemporaryDirectory
    private let file: APIKeyFile

    init() throws {
        directory = try TemporaryDirectory()
        file = APIKeyFile(path: directory.file("keys.json"))
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    private func write(_ text: String, mode: mode_t = 0o600) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file.path))
        chmod(file.path, mode)
    }

    private func text() throws -> String {
        try String(contentsOfFile: file.path, encoding: .utf8)
    }

    @Test("The first key makes the file, and a key is read back with all that was said of it")
    func roundTrip() throws {
        let expires = APIKeyTime(seconds: 2_000_000_000)
        let (key, record) = try file.create(
            tenant: Tenant(name: "acme"), scopes: [.read, .inspect], expires: expires, threadPrefix: "a\"é\u{0301}-",
            note: "line\nline"
        )
        let (_, plain) = try file.create(tenant: .default, scopes: [.admin], expires: nil)
        #expect(try file.read() == [record, plain])
        #expect(record.hash == key.hash && record.tenant.name == "acme" && record.scopes == [.read, .inspect])
        #expect(record.expires == expires && record.threadPrefix == "a\"é\u{0301}-" && record.note == "line\nline")
        #expect(record.revoked == nil && record.id.wholeMatch(of: /[0-9a-f]{8}/) != nil)
        #expect(plain.expires == nil && plain.threadPrefix.isEmpty && plain.note.isEmpty)
    }

    @Test("Only the owner may use it, and the key itself is not in it")
    func secrecy() throws {
        let (key, _) = try file.create(tenant: .default, scopes: [.read], expires: nil)
        #expect(mode(file.path) == 0o600)
        let text = try text()
        #expect(!text.contains(key.text) && !text.contains(key.text.dropFirst(4).prefix(43)))
        #expect(text.contains(key.hash.hexadecimal))
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(names.sorted() == ["keys.json", "keys.json.lock"])
    }

    @Test(
        "One that others may use is refused, with what to do",
        arguments: [0o640, 0o604, 0o620, 0o601, 0o644] as [mode_t])
    func exposed(_ mode: mode_t) throws {
        try write(#"{"keys": []}"#, mode: mode)
        let error = try #require(throws: APIKeyFileError.self) { try file.read() }
        #expect(error.kind == .exposed)
        #expect(error.description.hasSuffix("(mode \(String(mode, radix: 8))); run 'chmod 600 \(file.path)'"))
        let creating = #expect(throws: APIKeyFileError.self) {
            try file.create(tenant: .default, scopes: [.read], expires: nil)
        }
        #expect(creating == error)
        #expect(try text() == #"{"keys": []}"#)
    }

    @Test("Revoking marks the key and nothing else, and a second time changes nothing")
    func revoking() throws {
        let (_, first) = try file.create(tenant: .default, scopes: [.read], expires: nil)
        let (_, second) = try file.create(tenant: .default, scopes: [.read], expires: nil)
        let time = APIKeyTime(seconds: 2_000_000_000)
        let revoked = try file.revoke([second.id], at: time)
        #expect(revoked.map(\.id) == [second.id] && revoked.map(\.revoked) == [time])
        #expect(try file.read() == [first] + revoked)
        #expect(try file.revoke([second.id], at: APIKeyTime(seconds: 2_100_000_000)) == revoked)
        #expect(first.state(at: time) == .active && revoked[0].state(at: time) == .revoked)
    }

    @Test("An id that is not there revokes none of the others, and is repeated only when it can be no key")
    func unknownID() throws {
        let (key, record) = try file.create(tenant: .default, scopes: [.read], expires: nil)
        for (id, isShown) in [("nobody", true), (key.text, false), (String(key.text.dropFirst(4)), false)] {
            let error = try #require(throws: APIKeyFileError.self) { try file.revoke([record.id, id]) }
            #expect(error.kind == .unknownID)
            #expect(error.description.contains("'\(id)'") == isShown)
            #expect(error.description.contains("milepost keys list"))
        }
        #expect(try file.read() == [record])
    }

    @Test("One that is not there is said, and only making a key makes it")
    func missing() {
        let reading = #expect(throws: APIKeyFileError.self) { try file.read() }
        let revoking = #expect(throws: APIKeyFileError.self) { try file.revoke(["a"]) }
        #expect(reading?.kind == .missing && revoking == reading)
        #expect(mode(file.path) == 0)
        let nowhere = APIKeyFile(path: directory.file("none/keys.json"))
        let creating = #expect(throws: APIKeyFileError.self) {
            try nowhere.create(tenant: .default, scopes: [.read], expires: nil)
        }
        #expect(creating?.kind == .notAccessible)
    }

    @Test("A directory or a pipe in its place is an error at once")
    func notAFile() throws {
        mkfifo(file.path, 0o600)
        for path in [file.path, directory.path] {
            let other = APIKeyFile(path: path)
            let error = #expect(throws: APIKeyFileError.self) { try other.read() }
            #expect(error?.kind == .notAccessible)
        }
    }

    @Test("Keys made at once are all there")
    func concurrency() async throws {
        let count = 16
        let made = try await withThrowingTaskGroup { group in
            for number in 0..<count {
                group.addTask { [file] in
                    try await Self.onAThread {
                        try file.create(tenant: .default, scopes: [.read], expires: nil, note: "\(number)").record
                    }
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(made.count == count && Set(made.map(\.id)).count == count)
        #expect(try Set(file.read()) == made)
    }

    @Test("What reads while keys are made finds each time a whole file that has no fewer keys")
    func reading() async throws {
        _ = try file.create(tenant: .default, scopes: [.read], expires: nil)
        async let making: Void = Self.onAThread { [file] in
            for _ in 0..<50 { _ = try file.create(tenant: .default, scopes: [.read], expires: nil) }
        }
        var last = 1
        while last < 51 {
            let count = try file.read().count
            #expect(count >= last)
            last = count
            try await Task.sleep(for: .milliseconds(1))
        }
        try await making
    }

    @Test("A link stays a link, and what a process that was ended left is no hindrance")
    func leftovers() throws {
        let link = APIKeyFile(path: directory.file("link.json"))
        _ = try file.create(tenant: .default, scopes: [.read], expires: nil)
        symlink(file.path, link.path)
        try Data("{".utf8).write(to: URL(fileURLWithPath: file.path + ".new"))
        _ = try link.create(tenant: .default, scopes: [.read], expires: nil)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == file.path)
        #expect(try file.read().count == 2)
        #expect(!FileManager.default.fileExists(atPath: file.path + ".new"))
    }

    @Test("Root leaves the file to whom it belongs, as the server has to read it", .enabled(if: geteuid() == 0))
    func owner() throws {
        _ = try file.create(tenant: .default, scopes: [.read], expires: nil)
        chown(file.path, 12_345, 12_346)
        _ = try file.create(tenant: .default, scopes: [.read], expires: nil)
        for path in [file.path, file.path + ".lock"] {
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_uid == 12_345 && status.st_gid == 12_346)
        }
        #expect(mode(file.path) == 0o600)
    }

    /// `flock` blocks, and there are few threads for tasks.
    private static func onAThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result(catching: body)) }.start()
        }
    }
}
