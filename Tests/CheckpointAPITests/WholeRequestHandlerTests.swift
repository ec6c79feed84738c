import CheckpointAPI
import HTTPTypes
import Hummingbird
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

/// The order of answers on a connection, whichever way each request takes.
@Suite("Whole requests", .timeLimit(.minutes(5)))
struct WholeRequestHandlerTests {
    @Test("a request whose body is at hand is answered at once, in parts or whole")
    func whole() throws {
        let connection = TestConnection()
        try connection.send("/", "one")
        try connection.head("/", .post, [.contentLength: "6"])
        for part in ["t", "wo", "two"] {
            try connection.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: part)))
        }
        #expect(try connection.answers() == ["one"])
        try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        #expect(try connection.answers() == ["twotwo"])
        #expect(try connection.passedOn() == 0)
    }

    @Test("requests that arrive while one is being answered wait for it")
    func pipelined() throws {
        let connection = TestConnection()
        try connection.send("/slow", "1")
        try connection.send("/", "2")
        try connection.send("/slow", "3")
        try connection.send("/", "4")
        #expect(try connection.answers() == [])
        connection.responder.letGo()
        #expect(try connection.answers() == ["1", "2"])
        connection.responder.letGo()
        #expect(try connection.answers() == ["3", "4"])
    }

    private static let others: [(HTTPRequest.Method, HTTPFields)] = [
        (.post, [:]), (.post, [.transferEncoding: "chunked"]), (.post, [.contentLength: "1048577"]),
        (.post, [.contentLength: "x"]), (.get, [.contentLength: "0"]),
        (.post, [.contentLength: "1", .expect: "100-continue"]), (.post, [.contentLength: "1", .connection: "close"]),
    ]

    @Test("what is streamed, long, awaits a go-ahead or ends its connection takes the other way", arguments: others)
    func passedOn(_ method: HTTPRequest.Method, _ fields: HTTPFields) throws {
        let connection = TestConnection()
        try connection.head("/", method, fields)
        #expect(try connection.passedOn() == 1)
        // Until it is answered, so do those behind it: answers keep the order of requests.
        try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        try connection.send("/", "later")
        #expect(try connection.passedOn() == 4)
        #expect(try connection.answers() == [])
        for _ in 0..<2 {
            try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
            try connection.channel.writeOutbound(HTTPResponsePart.end(nil))
        }
        _ = try connection.answers()
        try connection.send("/", "direct again")
        #expect(try connection.answers() == ["direct again"])
    }

    @Test("the order to end an idle connection waits for the answer that is owed")
    func quiescing() throws {
        let connection = TestConnection()
        let events = EventCounter()
        try connection.channel.pipeline.syncOperations.addHandler(events)
        try connection.send("/slow", "1")
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(events.count == 0)
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(events.count == 1)
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(events.count == 2)
    }

    @Test("a client that does not read gets no further answers")
    func slowReader() throws {
        let connection = TestConnection()
        connection.channel.isWritable = false
        try connection.send("/", "1")
        try connection.send("/", "2")
        #expect(try connection.answers() == ["1"])
        connection.channel.isWritable = true
        connection.channel.pipeline.fireChannelWritabilityChanged()
        #expect(try connection.answers() == ["2"])
    }

    @Test("a client that pipelines too much waits in its socket", arguments: [(64, 1), (1, 64 * 1_024)])
    func pipelinesTooMuch(_ parts: Int, _ bytes: Int) throws {
        let connection = TestConnection()
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try connection.send("/slow", "1")
        connection.channel.read()
        #expect(reads.count == 1)
        try connection.head("/", .post, [.contentLength: String(parts * bytes)])
        for _ in 0..<parts {
            try connection.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(repeating: 0x78, count: bytes)))
        }
        connection.channel.read()
        #expect(reads.count == 1)
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(reads.count == 2)
    }

    @Test("a connection that ends before its answer is no error")
    func gone() throws {
        let connection = TestConnection()
        try connection.send("/slow", "1")
        try connection.channel.close().wait()
        connection.responder.letGo()
        connection.channel.embeddedEventLoop.run()
    }

    @Test(
        "a date header is an RFC 9110 date",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ]
    )
    func date(_ time: Int, _ text: String) {
        #expect(DateHeader.text(time) == text)
    }
}
