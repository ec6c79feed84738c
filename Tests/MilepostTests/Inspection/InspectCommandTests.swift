import ArgumentParser
import Configuration
import JSON
import MilepostClient
import Testing

@testable import milepost

@Suite("Commands that ask a server")
struct InspectCommandTests {
    private func read(
        _ arguments: [String],
        url: String? = nil,
        _ environment: [String: String] = [:]
    ) throws -> (url: String, rest: [String]) {
        let flags = url.map { ["--url", $0] } ?? []
        let command = try #require(try Milepost.parseAsRoot(["history"] + arguments + flags) as? History)
        let provider = EnvironmentVariablesProvider(environmentVariables: environment)
        let (server, rest) = try command.remote.read(command.arguments, environment: provider)
        return (server.url, rest)
    }

    @Test("the first argument is the server when it begins as a URL, else --url, MILEPOST_URL or this machine")
    func server() throws {
        let environment = ["MILEPOST_URL": "http://env:1"]
        #expect(try read(["t"]) == ("http://127.0.0.1:5003", ["t"]))
        #expect(try read(["t"], ["MILEPOST_URL": ""]) == ("http://127.0.0.1:5003", ["t"]))
        #expect(try read(["t"], environment) == ("http://env:1", ["t"]))
        #expect(try read(["http://a:2/", "t"], environment) == ("http://a:2/", ["t"]))
        #expect(try read(["https://a", "t", "x"]) == ("https://a", ["t", "x"]))
        // A thread may be called like a URL.
        #expect(try read(["http://t"], url: "http://b:3", environment) == ("http://b:3", ["http://t"]))
    }

    @Test("what is no server, no thread or too much is wrong usage")
    func usage() async throws {
        for arguments in [
            ["history"], ["history", "a", "b"], ["history", ""], ["show"], ["show", "a", "b"], ["diff"],
            ["diff", "a", "b", "c", "d"], ["threads", "localhost:5003"], ["threads", "--limit", "0"],
            ["threads", "--url", "ftp://x"], ["threads", "--url", "http://user:s3cret@x"],
            ["threads", "--timeout", "0"],
            ["threads", "http://x?y"],
        ] {
            var command = try #require(try Milepost.parseAsRoot(arguments) as? any AsyncParsableCommand)
            let error = await #expect(throws: StartError.self) { try await command.run() }
            #expect(error?.isUsage == true, "\(arguments)")
            #expect(error?.description.contains("s3cret") != true)
        }
        for arguments in [["show", "t", "--prot"], ["threads", "--limit", "x"], ["diff", "t", "--checkpoint", "x"]] {
            let error = #expect(throws: (any Error).self) { try Milepost.parseAsRoot(arguments) }
            #expect(error.map { Milepost.exitCode(for: $0) } == .validationFailure)
        }
    }

    @Test("a server that is not there is said at once, with what to do")
    func unreachable() async throws {
        for arguments in [["threads"], ["history", "t"], ["show", "t"], ["diff", "t"]] {
            var command = try #require(
                try Milepost.parseAsRoot(arguments + ["--url", "http://127.0.0.1:1"]) as? any AsyncParsableCommand
            )
            let error = await #expect(throws: StartError.self) { try await command.run() }
            #expect(error?.isUsage == false)
            #expect(
                error?.description.hasPrefix("cannot reach http://127.0.0.1:1 (connection refused); is the") == true)
        }
    }

    @Test("threads: the one that changed last first, cut to the limit")
    func threads() throws {
        func thread(_ id: String, _ updated: String?) throws -> ThreadSummary {
            try ThreadSummary([
                "thread_id": .text(id), "created": .text(updated), "updated": .text(updated), "checkpoints": 3,
                "writes": 4, "blobs": 5, "bytes": 12_345,
            ])
        }
        let all = [
            try thread("b", "2026-01-02T00:00:00+00:00"), try thread("none", nil),
            try thread("a", "2026-01-02T00:00:00+00:00"), try thread("c", "2026-01-02T00:00:00.5+00:00"),
        ].newestFirst
        #expect(all.map(\.id) == ["c", "a", "b", "none"])
        let plain = Terminal(width: nil, hasColours: false)
        #expect(
            Threads.lines(Array(all.prefix(1)), of: 4, server: "http://x", on: plain) == [
                "THREAD  CREATED               UPDATED               CHECKPOINTS  WRITES     SIZE",
                "c       2026-01-02 00:00:00Z  2026-01-02 00:00:00Z            3       4  12.3 kB",
                "… 3 more: without --limit all are shown",
            ]
        )
        #expect(Threads.lines([], of: 0, server: "http://x", on: plain) == ["no threads on http://x"])
    }
}
