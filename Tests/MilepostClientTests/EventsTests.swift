import Foundation
import JSON
import MilepostClient
import Synchronization
import Testing

/// What the client makes of a stream of events.
@Suite("The client's events", .timeLimit(.minutes(5)))
struct EventsTests {
    private func events(of text: String, after last: String? = nil) async throws -> ([ThreadEvent], [StubServer.Call]) {
        let found = Mutex<[ThreadEvent]>([])
        let calls = Mutex<[StubServer.Call]>([])
        try await StubServer.with { _ in
            StubServer.Answer(text: text)
        } _: { client, stub in
            try await client.events(of: "a/b", after: last) { event in found.withLock { $0.append(event) } }
            calls.withLock { $0 = stub.calls }
        }
        return (found.withLock { $0 }, calls.withLock { $0 })
    }

    @Test("events come apart at empty lines; what is no event is passed over; an id stays until the next")
    func parsing() async throws {
        let text = """
            retry: 1000

            id: one
            event: thread
            data: {"thread_id":"a: b"}

            :

            event: checkpoint
            data: {"checkpoint_ns":"n","checkpoint_id":"c1"}

            id: two
            event: writes
            data:{"checkpoint_id":"c1"}

            event: cut
            data: {"off":
            """
        let (found, calls) = try await events(of: text)
        #expect(found.map(\.name) == ["thread", "checkpoint", "writes"])
        #expect(found.map(\.id) == ["one", "one", "two"])
        #expect(found[0].json == #"{"thread_id":"a: b"}"#)
        #expect(found.map(\.checkpointID) == [nil, "c1", "c1"] && found[1].namespace == "n")
        #expect(calls.map(\.path) == ["/threads/a%2Fb/events"])
    }

    @Test("a refusal is the error of any other call, and what the caller throws is thrown")
    func errors() async throws {
        try await StubServer.with { _ in
            StubServer.Answer(status: 503, body: ["detail": "full"])
        } _: { client, _ in
            let error = await #expect(throws: MilepostClientError.self) { try await client.events(of: "t") { _ in } }
            #expect(error?.kind == .overloaded && error?.message == "full")
        }
        try await StubServer.with { _ in
            StubServer.Answer(text: "event: thread\ndata: {}\n\n")
        } _: { client, _ in
            struct Enough: Error {}
            await #expect(throws: Enough.self) {
                try await client.events(of: "t") { _ in throw Enough() }
            }
        }
    }
}
