import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1

/// Reads a Milepost server: its threads, their checkpoints, and one checkpoint with everything in it.
///
/// ```swift
/// try await MilepostClient.with(url: "http://127.0.0.1:5003") { client in
///     for thread in try await client.threads().elements { … }
/// }
/// ```
///
/// Connections are kept and used again. Every call may be made from several tasks at once, and throws a
/// `MilepostClientError`, or `CancellationError` when its task was cancelled.
public struct MilepostClient: Sendable {
    /// What an answer may have at most: a checkpoint of the largest body a server takes, and room.
    static let maximumAnswerBytes = 1 << 30
    private static let connectTimeout = TimeAmount.seconds(5)

    let base: String
    let apiKey: String?
    private let timeout: Duration
    let http: HTTPClient

    /// Calls `body` with a client, and closes its connections afterwards.
    ///
    /// `url` is where the server is, such as `http://127.0.0.1:5003`; `apiKey` is sent as a bearer token with every
    /// call; `timeout` is how long one call may take. Redirects are not followed: the key is for this server alone.
    public static func with<Value: Sendable>(
        url: String,
        apiKey: String? = nil,
        timeout: Duration = .seconds(60),
        _ body: (MilepostClient) async throws -> Value
    ) async throws -> Value {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = connectTimeout
        // A server that is not there is said at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let client = try MilepostClient(url: url, apiKey: apiKey, timeout: timeout, http: http)
            let value = try await body(client)
            try await http.shutdown()
            return value
        } catch {
            // The first error is the one to tell; what is left of the connections goes with the process.
            try? await http.shutdown()
            throw error
        }
    }

    private init(
        url: String,
        apiKey: String?,
        timeout: Duration,
        http: HTTPClient
    ) throws(MilepostClientError) {
        guard url.hasPrefix("http://") || url.hasPrefix("https://"), !url.contains(where: { "?#@ ".contains($0) })
        else {
            throw MilepostClientError(.badURL, message: "not a URL of a server, such as http://127.0.0.1:5003")
        }
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.apiKey = apiKey
        self.timeout = timeout
        self.http = http
    }
}

// MARK: - The calls

extension MilepostClient {
    /// The threads in the order of their ids, from the beginning or after a page's `next`.
    public func threads(after cursor: String? = nil, limit: Int = 1_000) async throws -> Page<ThreadSummary> {
        let after = cursor.map { "&after=\(Self.encoded($0))" } ?? ""
        let answer = try await send(.GET, "/threads?limit=\(limit)\(after)")
        var threads: [ThreadSummary] = []
        for thread in try answer.json.elements("threads") { threads.append(try ThreadSummary(thread)) }
        return Page(elements: threads, next: answer.next)
    }

    /// One thread with its namespaces; throws `notFound` when there is none of that id.
    public func thread(_ id: String) async throws -> ThreadDetail {
        try ThreadDetail(try await send(.GET, "/threads/\(Self.encoded(id))").json)
    }

    /// The checkpoints of a thread, greatest id first, of one namespace or of all of them.
    ///
    /// A page ends early when its parts are large.
    public func checkpoints(
        in threadID: String,
        namespace: String? = nil,
        including parts: Set<StoredCheckpoint.Part> = [],
        after cursor: String? = nil,
        limit: Int = 1_000
    ) async throws -> Page<StoredCheckpoint> {
        let answer = try await send(
            .POST,
            "/checkpoints/list",
            [
                "thread_id": .string(JSONString(threadID)),
                "checkpoint_ns": .optional(namespace),
                "include": .parts(parts),
                "after": .optional(cursor),
                "limit": .number(JSONNumber(limit)),
            ]
        )
        guard case .array(let elements) = answer.json else {
            throw MilepostClientError(.notUnderstood, message: "the answer is not a list")
        }
        var checkpoints: [StoredCheckpoint] = []
        for element in elements { checkpoints.append(try StoredCheckpoint(element)) }
        return Page(elements: checkpoints, next: answer.next)
    }

    /// A checkpoint with its blobs and pending writes, the newest when no id is given; nil when there is none.
    public func checkpoint(
        in threadID: String,
        namespace: String = "",
        id: String? = nil,
        including parts: Set<StoredCheckpoint.Part> = []
    ) async throws -> StoredCheckpoint? {
        let answer = try await send(
            .POST,
            "/checkpoints/get-tuple",
            [
                "thread_id": .string(JSONString(threadID)),
                "checkpoint_ns": .string(JSONString(namespace)),
                "checkpoint_id": .optional(id),
                "include": .parts(parts),
            ]
        )
        return answer.json == .null ? nil : try StoredCheckpoint(answer.json)
    }
}

// MARK: - Health

extension MilepostClient {
    /// Returns when the server takes changes: it has written a probe and made it durable.
    ///
    /// Throws `overloaded` when it does not.
    public func checkReadiness() async throws {
        try await send(.GET, "/readyz").requireStatus("ready")
    }

    /// The version that the server says it is.
    public func serverVersion() async throws -> String {
        let document = try await send(.GET, "/openapi.json").json
        guard let version = document["info"]?["version"]?.string else {
            throw MilepostClientError(.notUnderstood, message: "the server does not say its version")
        }
        return version
    }

    /// Returns when the server answers at all; its store is not asked.
    public func checkHealth() async throws {
        try await send(.GET, "/healthz").requireStatus("ok")
    }
}

// MARK: - HTTP

extension MilepostClient {
    private struct Answer {
        let json: JSONValue
        /// The cursor of the next page.
        let next: String?

        func requireStatus(_ status: String) throws(MilepostClientError) {
            guard json["status"]?.string == status else {
                throw MilepostClientError(.notUnderstood, message: "the status is not '\(status)'")
            }
        }
    }

    private func send(_ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil) async throws -> Answer {
        var request = HTTPClientRequest(url: base + path)
        request.method = method
        if let apiKey { request.headers.add(name: "authorization", value: "Bearer \(apiKey)") }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.text.bytes))
        }
        let (head, bytes) = try await inTime(request)
        let status = Int(head.status.code)
        guard status == 200 else { throw MilepostClientError(status: status, body: bytes) }
        do {
            return Answer(json: try JSONValue(parsing: bytes), next: head.headers.first(name: "x-next-cursor"))
        } catch {
            throw MilepostClientError(.notUnderstood, status: status, message: "the answer is not JSON: \(error)")
        }
    }

    /// The whole answer, or an error when it takes too long: the HTTP client's own limit is for the head alone.
    private func inTime(_ request: HTTPClientRequest) async throws -> (HTTPClientResponse, [UInt8]) {
        try await withThrowingTaskGroup(of: (HTTPClientResponse, [UInt8]).self) { [http, timeout] group in
            group.addTask {
                do {
                    let response = try await http.execute(request, deadline: .distantFuture)
                    let buffer = try await response.body.collect(upTo: Self.maximumAnswerBytes)
                    // A body that is cancelled ends as if it were all.
                    try Task.checkCancellation()
                    return (response, Array(buffer.readableBytesView))
                } catch {
                    throw Self.translated(error)
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw MilepostClientError(.timedOut, message: "no answer in time")
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw CancellationError() }
            return answer
        }
    }

    static func translated(_ error: any Error) -> any Error {
        if error is NIOTooManyBytesError {
            return MilepostClientError(.tooLarge, message: "the answer has more than \(maximumAnswerBytes) bytes")
        }
        guard let known = error as? HTTPClientError else {
            return error is CancellationError
                ? error : MilepostClientError(.unreachable, message: ConnectionFailure.words(for: error))
        }
        switch known {
        case .cancelled: return CancellationError()
        case .connectTimeout, .deadlineExceeded, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout,
            .tlsHandshakeTimeout:
            return MilepostClientError(.timedOut, message: "no answer in time")
        case .invalidURL, .emptyHost, .emptyScheme: return MilepostClientError(.badURL, message: "not a URL")
        default: return MilepostClientError(.unreachable, message: known.description)
        }
    }

    /// Every byte of an id as it goes into a path or a query, dots too: `..` would be a step.
    static func encoded(_ id: String) -> String {
        var text = ""
        for byte in id.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return text
    }
}

extension JSONValue {
    fileprivate static func optional(_ text: String?) -> JSONValue {
        text.map { .string(JSONString($0)) } ?? .null
    }

    fileprivate static func parts(_ parts: Set<StoredCheckpoint.Part>) -> JSONValue {
        .array(parts.map(\.rawValue).sorted().map { .string(JSONString($0)) })
    }
}
