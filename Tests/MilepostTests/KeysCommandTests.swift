import ArgumentParser
import Authentication
import Checkpoints
import Configuration
import JSON
import TestSupport
import Testing

@testable import milepost

@Suite("milepost keys")
struct KeysCommandTests {
    private static let now = APIKeyTime(seconds: 1_795_718_538)

    private func run(_ arguments: [String]) throws {
        var command = try Milepost.parseAsRoot(["keys"] + arguments)
        try command.run()
    }

    private func failure(_ arguments: [String]) -> StartError? {
        #expect(throws: StartError.self, "\(arguments)") { try run(arguments) }
    }

    @Test("A key is made as it was asked for, and revoked by its id")
    func file() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys.json")
        try run(["create", "--keys-file", path])
        try run([
            "create", "--keys-file", path, "--tenant", "acme", "--scopes", "read,inspect", "--expires", "12h",
            "--thread-prefix", "support-", "--note", "a note",
        ])
        let records = try APIKeyFile(path: path).read()
        #expect(records.map(\.tenant.name) == ["", "acme"])
        #expect(records.map(\.scopes) == [[.read, .write, .delete], [.read, .inspect]])
        #expect(records.map { $0.expires.map { $0.seconds - records[1].created.seconds } } == [nil, 43_200])
        #expect(records.map(\.threadPrefix) == ["", "support-"])
        #expect(records.map(\.note) == ["", "a note"])
        try run(["revoke", "--keys-file", path, records[0].id])
        #expect(try APIKeyFile(path: path).read().map { $0.revoked == nil } == [false, true])
        #expect(failure(["revoke", "--keys-file", path, records[1].id, "nobody"])?.isUsage == false)
        #expect(try APIKeyFile(path: path).read().map { $0.revoked == nil } == [false, true])
        try run(["list", "--keys-file", path])
        try run(["list", "--keys-file", path, "--json"])
    }

    @Test("The file is the option's, else the environment's, else there is none")
    func place() throws {
        func path(_ arguments: [String], _ environment: [String: String]) throws -> String {
            let command = try #require(try Milepost.parseAsRoot(["keys", "list"] + arguments) as? KeysList)
            let provider = EnvironmentVariablesProvider(environmentVariables: environment)
            return try command.keys.file(environment: provider).path
        }
        let environment = ["MILEPOST_API_KEYS_FILE": "env.json"]
        #expect(try path(["--keys-file", "a.json"], environment) == "a.json")
        #expect(try path([], environment) == "env.json")
        for (arguments, environment) in [([], [:]), ([], ["MILEPOST_API_KEYS_FILE": ""]), (["--keys-file", ""], [:])] {
            let error = #expect(throws: StartError.self) { try path(arguments, environment) }
            #expect(error?.isUsage == true)
            #expect(error?.description.contains("--keys-file") == true)
        }
    }

    @Test("What is wrong on the command line is wrong usage, and a file that cannot be used is not")
    func refusals() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys.json")
        for arguments in [
            ["--scopes", "root"], ["--scopes", ""], ["--scopes", "read,"], ["--scopes", "read, write"],
            ["--scopes", "Read"], ["--expires", ""], ["--expires", "90"], ["--expires", "d"], ["--expires", "0d"],
            ["--expires", "+5d"], ["--expires=-1h"], ["--expires", "1w"], ["--expires", "2020-01-01"],
            ["--expires", "99999999999999999999d"], ["--expires", "3000000d"],
        ] {
            #expect(failure(["create", "--keys-file", path] + arguments)?.isUsage == true)
        }
        for arguments in [["list"], ["revoke", "a"]] {
            #expect(failure(arguments + ["--keys-file", path])?.isUsage == false)
        }
        for arguments in [
            ["keys", "revoke"], ["keys", "creat"], ["keys", "list", "x"], ["keys", "create", "x"],
            ["keys", "create", "--key", "x"],
        ] {
            let error = #expect(throws: (any Error).self) { try Milepost.parseAsRoot(arguments) }
            #expect(error.map { Milepost.exitCode(for: $0) } == .validationFailure)
        }
    }

    @Test(
        "An expiry is days or hours from now, or a time",
        arguments: [
            ("90d", 1_795_718_538 + 90 * 86_400), ("1h", 1_795_718_538 + 3_600), ("2026-11-27", 1_795_737_600),
            ("2026-11-26T18:42:19Z", 1_795_718_539), ("2026-11-26T20:00:00+01:00", 1_795_719_600),
        ]
    )
    func expiry(_ text: String, _ seconds: Int) throws {
        #expect(try KeysCreate.expiry(text, from: Self.now).seconds == seconds)
    }

    @Test("What is said of a new key has its id and when it ends, and not the key")
    func explanation() throws {
        let key = APIKey()
        func lines(_ tenant: Tenant, _ prefix: Identifier, _ expires: APIKeyTime?) -> [String] {
            let record = APIKeyRecord(
                id: "4f0c9a1e", hash: key.hash, tenant: tenant, scopes: [.write, .read], created: Self.now,
                expires: expires, threadPrefix: prefix
            )
            return KeysCreate.explanation(of: record, in: "keys.json")
        }
        #expect(
            lines(.default, "", nil) == [
                "made key 4f0c9a1e: tenant (default), all threads, read, write",
                "it never expires; give --expires 90d for one that does",
                "keep the key safe: it is not shown again, and keys.json has no more than its hash",
            ]
        )
        #expect(
            lines(Tenant(name: "a\u{1b}"), "b\"", Self.now).prefix(2) == [
                #"made key 4f0c9a1e: tenant a\u001b, threads that begin with "b\"", read, write"#,
                "it expires at 2026-11-26T18:42:18Z",
            ]
        )
    }

    @Test("The list has a line for each key, and as JSON all that is not secret")
    func list() throws {
        let hash = APIKey().hash
        let records = [
            APIKeyRecord(
                id: "a", hash: hash, tenant: .default, scopes: [.delete, .read], created: Self.now, note: "n\u{1b}"),
            APIKeyRecord(
                id: "b", hash: hash, tenant: Tenant(name: "acme"), scopes: [.read], created: Self.now,
                expires: Self.now, threadPrefix: "p-"
            ),
            APIKeyRecord(
                id: "c", hash: hash, tenant: .default, scopes: [], created: Self.now,
                expires: APIKeyTime(seconds: Self.now.seconds + 1), revoked: Self.now
            ),
        ]
        let plain = Terminal(width: nil, hasColours: false)
        #expect(
            KeysList.lines(records, of: "k", at: Self.now, on: plain) == [
                "ID  TENANT     SCOPES       PREFIX  CREATED               EXPIRES               STATE    NOTE",
                #"a   (default)  read,delete          2026-11-26 18:42:18Z  never                 active   n\u001b"#,
                "b   acme       read         p-      2026-11-26 18:42:18Z  2026-11-26 18:42:18Z  expired",
                "c   (default)                       2026-11-26 18:42:18Z  2026-11-26 18:42:19Z  revoked",
            ]
        )
        #expect(KeysList.lines([], of: "k", at: Self.now, on: plain) == ["no keys in k"])
        let narrow = KeysList.lines(records, of: "k", at: Self.now, on: Terminal(width: 60, hasColours: false))
        #expect(narrow.first == "ID  TENANT     SCOPES       STATE    NOTE")
        #expect(
            String(decoding: records[1].json(at: Self.now).text.bytes, as: UTF8.self) == """
                {"id":"b","tenant":"acme","scopes":["read"],"thread_prefix":"p-","created":"2026-11-26T18:42:18Z",\
                "expires":"2026-11-26T18:42:18Z","revoked":null,"state":"expired","note":""}
                """
        )
    }
}
