import Encryption
import Foundation
import JSON
import TestSupport
import Testing

@Suite("Encryption keys")
struct EncryptionKeysTests {
    private static let key = String(repeating: "A", count: 43) + "="

    private func problem(_ text: String) -> String? {
        do {
            _ = try EncryptionKeys(parsing: [UInt8](text.utf8), source: "keys.json")
            return nil
        } catch {
            return error.description
        }
    }

    @Test("A new file has one key, and no two are alike")
    func newFile() throws {
        let first = try EncryptionKeys.newFile(id: "2026-11")
        #expect(try EncryptionKeys(parsing: first.bytes, source: "it").all.map(\.id) == ["2026-11"])
        let second = try EncryptionKeys.newFile(id: "2026-11")
        #expect(first != second)
        #expect(throws: EncryptionError.self) { try EncryptionKeys.newFile(id: "two words") }
    }

    @Test("Keys are shown by their ids alone")
    func shown() throws {
        let keys = try EncryptionKeys.sample("new", "old")
        #expect("\(keys)" == "keys new, old")
    }

    @Test(
        "What cannot be a file of keys is refused with a sentence that has no key in it",
        arguments: [
            ("", "is not JSON"), ("{\"keys\":[\"", "is not JSON"), ("[]", "has no list of keys"),
            ("{}", "has no list of keys"),
            (#"{"keys":[]}"#, "has no key"), (#"{"keys":[{}]}"#, "key 1 in keys.json has no usable id"),
            (#"{"keys":[{"id":"a b","key":"K"}]}"#, "has no usable id"),
            (#"{"keys":[{"id":"","key":"K"}]}"#, "has no usable id"),
            (#"{"keys":[{"id":"123456789012345678901234567890123","key":"K"}]}"#, "has no usable id"),
            (#"{"keys":[{"id":"a"}]}"#, "'a', is not in base64"),
            (#"{"keys":[{"id":"a","key":"!!"}]}"#, "is not in base64"),
            (#"{"keys":[{"id":"a","key":"AAAA"}]}"#, "has 3 bytes; a key has 32"),
            (#"{"keys":[{"id":"a","key":"\#(key)"},{"id":"a","key":"\#(key)"}]}"#, "two keys with the id 'a'"),
            (#"{"keys":[{"id":"a","key":"\#(key)"},{"id":"b","key":"\#(key)"}]}"#, "one key under two ids"),
        ]
    )
    func refused(_ text: String, _ words: String) throws {
        let found = try #require(problem(text))
        #expect(found.contains(words))
        #expect(!found.contains(Self.key))
    }

    @Test("A file is read when its owner alone may read it")
    func file() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys.json")
        try Data(EncryptionKeys.newFile(id: "a").bytes).write(to: URL(fileURLWithPath: path))
        for (mode, isRead) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o660, false)] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            if isRead {
                #expect(try EncryptionKeys(file: path).all.map(\.id) == ["a"])
            } else {
                let error = #expect(throws: EncryptionError.self) { try EncryptionKeys(file: path) }
                #expect(error?.description.contains("chmod 600") == true)
            }
        }
        #expect(throws: EncryptionError.self) { try EncryptionKeys(file: directory.path) }
        #expect(throws: EncryptionError.self) { try EncryptionKeys(file: directory.file("none")) }
        try Data(repeating: 32, count: 70_000).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let error = #expect(throws: EncryptionError.self) { try EncryptionKeys(file: path) }
        #expect(error?.description.contains("more than 64 KiB") == true)
    }

    @Test("A command prints keys, and is refused when it fails, is silent, or prints too much")
    func command() throws {
        let text = String(decoding: try EncryptionKeys.newFile(id: "a").bytes, as: UTF8.self)
        #expect(try EncryptionKeys(command: "echo '\(text)'").all.map(\.id) == ["a"])
        func problem(_ command: String, _ timeout: Duration = .seconds(30)) -> String? {
            do {
                _ = try EncryptionKeys(command: command, timeout: timeout)
                return nil
            } catch {
                return error.description
            }
        }
        #expect(problem("echo '\(text)'; exit 3")?.contains("ended with 3") == true)
        #expect(problem("kill -9 $$")?.contains("ended with 137") == true)
        #expect(problem("no-such-program-here 2>/dev/null")?.contains("ended with 127") == true)
        #expect(problem("true")?.contains("is not JSON") == true)
        #expect(problem("cat")?.contains("is not JSON") == true)
        #expect(problem("yes")?.contains("more than 64 KiB") == true)
        #expect(problem("sleep 60", .milliseconds(50))?.contains("took longer") == true)
        #expect(problem("sleep 60 & echo '\(text)'", .milliseconds(50))?.contains("took longer") == true)
        #expect(problem("exec >&-; sleep 60", .milliseconds(50))?.contains("took longer") == true)
    }
}
