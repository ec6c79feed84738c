import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JSON
import Logging
import MilepostClient
import NIOCore
import Synchronization

/// A server on a real socket that answers every request by one function, and remembers what it was asked.
final class StubServer: Sendable {
    struct Call: Sendable, Equatable {
        let method: String
        let path: String
        let authorization: String?
        let traceParent: String?
        let body: String
    }

    struct Answer: Sendable {
        var status = 200
        var body: JSONValue = .null
        var cursor: String?
        /// Instead of the body.
        var text: String?
        var delay: Duration?
        var location: String?
        /// How long the body takes after its first byte.
        var pause: Duration?
    }

    private let seen = Mutex<[Call]>([])
    var calls: [Call] { seen.withLock { $0 } }

    /// Runs `body` with a client of a server that answers with `answer`.
    static func with(
        apiKey: String? = nil,
        timeout: Duration = .seconds(20),
        answer: @escaping @Sendable (Call) -> Answer,
        _ body: @Sendable @escaping (MilepostClient, StubServer) async throws -> Void
    ) async throws {
        let stub = StubServer()
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in
                try await stub.respond(to: request, answer)
            },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await application.test(.live) { live in
            guard let port = live.port else { return }
            try await MilepostClient.with(url: "http://127.0.0.1:\(port)/", apiKey: apiKey, timeout: timeout) {
                try await body($0, stub)
            }
        }
    }

    private func respond(to request: Request, _ answer: @Sendable (Call) -> Answer) async throws -> Response {
        let body = try await request.body.collect(upTo: 1 << 20)
        let call = Call(
            method: request.method.rawValue,
            path: request.head.path ?? "",
            authorization: request.headers[.authorization],
            traceParent: HTTPField.Name("traceparent").flatMap { request.headers[$0] },
            body: String(buffer: body)
        )
        seen.withLock { $0.append(call) }
        let answer = answer(call)
        if let delay = answer.delay { try await Task.sleep(for: delay) }
        var headers: HTTPFields = [.contentType: "application/json"]
        if let cursor = answer.cursor, let name = HTTPField.Name("x-next-cursor") { headers[name] = cursor }
        if let location = answer.location { headers[.location] = location }
        let text = answer.text.map { Array($0.utf8) } ?? answer.body.text.bytes
        return Response(
            status: .init(code: answer.status),
            headers: headers,
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(bytes: text.prefix(1)))
                if let pause = answer.pause { try await Task.sleep(for: pause) }
                try await writer.write(ByteBuffer(bytes: text.dropFirst()))
                try await writer.finish(nil)
            }
        )
    }
}
