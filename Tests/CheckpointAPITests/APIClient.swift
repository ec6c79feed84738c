import CheckpointAPI
import Checkpoints
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JSON
import Logging
import NIOCore
import Testing

/// The interface over a memory store, called as a client would, without a socket.
struct APIClient {
    private let client: any TestClientProtocol

    /// What came back.
    struct Answer: Equatable {
        let status: Int
        let headers: HTTPFields
        let body: String

        subscript(header: String) -> String? { HTTPField.Name(header).flatMap { headers[$0] } }
    }

    static func run(
        store: some ThreadStore & StoreMaintenance = MemoryStore(),
        limits: APILimits = APILimits(),
        hasInspector: Bool = true,
        observation: Observation = Observation(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: @escaping @Sendable (APIClient) async throws -> Void
    ) async throws {
        let application = Application(
            responder: buildInterface(
                store: store,
                limits: limits,
                hasInspector: hasInspector,
                observation: observation,
                logger: logger
            ).responder
        )
        try await application.test(.router) { client in
            try await body(APIClient(client: client))
        }
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        headers: HTTPFields = [.contentType: "application/json"],
        body: String? = nil
    ) async throws -> Answer {
        try await client.execute(
            uri: path,
            method: method,
            headers: headers,
            body: body.map { ByteBuffer(string: $0) }
        ) { response in
            Answer(
                status: Int(response.status.code),
                headers: response.headers,
                body: String(buffer: response.body)
            )
        }
    }

    func post(_ call: String, _ body: String) async throws -> Answer {
        try await send(.post, "/checkpoints/" + call, body: body)
    }
}
