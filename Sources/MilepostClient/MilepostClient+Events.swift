import AsyncHTTPClient
import NIOCore
import NIOHTTP1

extension MilepostClient {
    /// Calls `body` with each event of a thread, until the server ends the stream, `body` throws or the task is cancelled.
    ///
    /// `lastEventID` is the `id` of the last event that is known: then what came since is told first. Begins with the event
    /// `thread`, also of a thread that does not exist yet.
    public func events(
        of threadID: String,
        after lastEventID: String? = nil,
        _ body: (ThreadEvent) async throws -> Void
    ) async throws {
        var request = HTTPClientRequest(url: "\(base)/threads/\(Self.encoded(threadID))/events")
        if let apiKey { request.headers.add(name: "authorization", value: "Bearer \(apiKey)") }
        if let lastEventID { request.headers.add(name: "last-event-id", value: lastEventID) }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, deadline: .distantFuture)
        } catch {
            throw Self.translated(error)
        }
        guard response.status == .ok else {
            let refusal = try await response.body.collect(upTo: Self.maximumAnswerBytes)
            throw MilepostClientError(status: Int(response.status.code), body: Array(refusal.readableBytesView))
        }
        var parser = EventParser()
        var own: (any Error)?
        do {
            for try await chunk in response.body {
                for event in try parser.take(chunk.readableBytesView) {
                    do {
                        try await body(event)
                    } catch {
                        own = error
                        throw error
                    }
                }
            }
        } catch {
            throw own ?? Self.translated(error)
        }
        try Task.checkCancellation()
    }
}
