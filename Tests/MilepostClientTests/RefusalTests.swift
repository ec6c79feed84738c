import JSON
import MilepostClient
import Testing

@Suite("What a client throws", .timeLimit(.minutes(5)))
struct RefusalTests {
    @Test(
        "a refusal has its kind, its status and the server's words",
        arguments: [
            (401, #"{"detail":"who?"}"#, .unauthorized, "who?"), (403, #"{"detail":"no"}"#, .forbidden, "no"),
            (404, #"{"detail":"Not Found"}"#, .notFound, "Not Found"),
            (409, #"{"detail":"late","head":"h"}"#, .conflict, "late"),
            (413, #"{"detail":"big"}"#, .tooLarge, "big"), (503, #"{"detail":"busy"}"#, .overloaded, "busy"),
            (429, #"{"detail":"busy"}"#, .overloaded, "busy"),
            (
                422, #"{"detail":[{"loc":["body","limit"],"msg":"too many"},{"loc":["body"],"msg":"bad"}]}"#, .refused,
                "limit: too many; bad"
            ),
            (500, #"{"message":"Internal Server Error","code":500}"#, .failed, "Internal Server Error"),
            (502, "<html>", .failed, "the server gave no reason"),
            (204, "", .notUnderstood, "the server gave no reason"),
            (302, "", .notUnderstood, "the server gave no reason"),
        ] as [(Int, String, MilepostClientError.Kind, String)])
    func refusals(_ status: Int, _ body: String, _ kind: MilepostClientError.Kind, _ words: String) async throws {
        try await StubServer.with(apiKey: "key") { _ in
            .init(status: status, text: body, location: "http://127.0.0.1:1/")
        } _: { client, stub in
            let error = await #expect(throws: MilepostClientError.self) { try await client.threads() }
            #expect(error?.kind == kind && error?.status == status && error?.message == words)
            // A redirect is not followed: the key is for this server.
            #expect(stub.calls.count == 1)
        }
    }

    @Test("what is not an answer of a Milepost server is said to be none", arguments: ["<html>", "{}", "[]", "null"])
    func strangers(_ text: String) async throws {
        try await StubServer.with { _ in
            .init(text: text)
        } _: { client, _ in
            let error = await #expect(throws: MilepostClientError.self) { try await client.threads() }
            #expect(error?.kind == .notUnderstood)
        }
    }

    @Test("a server that is well says so, and anything else is an error")
    func health() async throws {
        let states = ["/healthz": "ok", "/readyz": "ready"]
        try await StubServer.with { call in
            .init(body: ["status": .string(JSONString(states[call.path] ?? ""))])
        } _: { client, stub in
            try await client.checkHealth()
            try await client.checkReadiness()
            #expect(stub.calls.map(\.path) == ["/healthz", "/readyz"])
        }
        try await StubServer.with { _ in
            .init(status: 503, text: #"{"detail":"the store's disk is full"}"#)
        } _: { client, _ in
            let error = await #expect(throws: MilepostClientError.self) { try await client.checkReadiness() }
            #expect(error?.kind == .overloaded && error?.message == "the store's disk is full")
        }
        try await StubServer.with { _ in
            .init(text: #"{"status":"fine"}"#)
        } _: { client, _ in
            let error = await #expect(throws: MilepostClientError.self) { try await client.checkHealth() }
            #expect(error?.kind == .notUnderstood)
        }
    }

    @Test("a server that takes too long, one that is not there, and what is no URL")
    func unreachable() async throws {
        for slow in [StubServer.Answer(delay: .seconds(2)), StubServer.Answer(pause: .seconds(2))] {
            try await StubServer.with(timeout: .milliseconds(200)) { _ in
                slow
            } _: { client, _ in
                let error = await #expect(throws: MilepostClientError.self) { try await client.threads() }
                #expect(error?.kind == .timedOut)
            }
        }
        let none = await #expect(throws: MilepostClientError.self) {
            try await MilepostClient.with(url: "http://127.0.0.1:1") { _ = try await $0.threads() }
        }
        #expect(none?.kind == .unreachable && none?.message == "connection refused")
        for url in ["", "localhost", "ftp://x", "http://a b", "http://u:p@x", "http://x?y"] {
            let error = await #expect(throws: MilepostClientError.self) {
                try await MilepostClient.with(url: url) { _ = try await $0.threads() }
            }
            #expect(error?.kind == .badURL)
        }
        let unknown = await #expect(throws: MilepostClientError.self) {
            try await MilepostClient.with(url: "http://no-such-host.invalid") { _ = try await $0.threads() }
        }
        #expect(unknown?.kind == .unreachable)
    }
}
