import CheckpointAPI
import Foundation
import Testing

/// Requests that two servers would read differently, and what nobody asked for.
@Suite("Request smuggling", .timeLimit(.minutes(5)))
struct RequestSmugglingTests {
    private static let hidden = #"{"thread_id":"hidden"}"#
    private static let head = "POST /checkpoints/list HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    /// A call that would delete a thread, if it were taken for a request.
    private static let smuggled =
        "POST /checkpoints/delete-thread HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        + "content-length: \(hidden.utf8.count)\r\n\r\n\(hidden)"

    private static let ambiguous = [
        head + "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
        head + "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + smuggled,
        head + "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
        head + "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
        head + "transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
        head + "content-length: 2\r\ncontent-length: 200\r\n\r\n{}" + smuggled,
        head + "content-length: 2, 200\r\n\r\n{}" + smuggled,
        head + "content-length: +2\r\n\r\n{}" + smuggled,
        head + "content-length: -1\r\n\r\n" + smuggled,
        head + "transfer-encoding: chunked\r\n\r\nx\r\n\r\n" + smuggled,
        "POST /checkpoints/list HTTP/1.1\nhost: x\ncontent-length : 2\n\n{}" + smuggled,
    ]

    @Test("an ambiguous request is answered 400 at most, and nothing behind it is executed", arguments: ambiguous)
    func notExecuted(_ request: String) async throws {
        try await TestServer.run(NamesResponder.interface) { server in
            var client = try await RawClient(server)
            try await client.send(request)
            let all = await client.rest()
            #expect(all.hasPrefix("HTTP/1.1 400"), "\(all)")
            #expect(all.components(separatedBy: "HTTP/1.1").count == 2, "\(all)")
        }
    }

    @Test("one that comes behind a good request ends the connection with that one's answer and 400")
    func pipelined() async throws {
        try await TestServer.run(NamesResponder.interface) { server in
            var client = try await RawClient(server)
            let good = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
            try await client.send(good + Self.ambiguous[0])
            let all = await client.rest()
            #expect(all.hasPrefix("HTTP/1.1 200"))
            #expect(all.contains("HTTP/1.1 400"))
            #expect(all.components(separatedBy: "HTTP/1.1").count == 3, "\(all)")
        }
    }

    @Test("a packed body is answered 415, one called what it is is read", arguments: ["gzip", "br", "identity"])
    func packed(_ coding: String) async throws {
        try await TestServer.run { server in
            var client = try await RawClient(server)
            for fields in ["content-encoding: \(coding)\r\n", ""] {
                try await client.post("/checkpoints/list", #"{"thread_id":"t"}"#, fields)
                let answer = await client.answer()
                #expect(
                    answer.hasPrefix(fields.isEmpty || coding == "identity" ? "HTTP/1.1 200" : "HTTP/1.1 415"),
                    "\(answer)")
                if answer.hasPrefix("HTTP/1.1 415") { #expect(answer.contains("takes no content-encoding")) }
            }
        }
    }

    @Test("a head that is too large is answered 431", arguments: ["x-long: ", "many", "target"])
    func large(_ kind: String) async throws {
        try await TestServer.run { server in
            var client = try await RawClient(server)
            let filler = String(repeating: "a", count: 17 * 1_024)
            switch kind {
            case "many":
                let fields = (0..<300).map { "x-\($0): a\r\n" }.joined()
                try await client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\(fields)\r\n")
            case "target": try await client.send("GET /\(filler) HTTP/1.1\r\nhost: x\r\n\r\n")
            default: try await client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\(kind)\(filler)\r\n\r\n")
            }
            #expect(await client.rest().hasPrefix("HTTP/1.1 431"))
        }
    }

    @Test("a head just below the limit is read")
    func belowLimit() async throws {
        try await TestServer.run { server in
            var client = try await RawClient(server)
            let filler = String(repeating: "a", count: 15 * 1_024)
            try await client.send("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: \(filler)\r\n\r\n")
            #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
        }
    }
}
