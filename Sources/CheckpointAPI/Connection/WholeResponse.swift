import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// A response whose body is at hand.
struct WholeResponse: Sendable {
    var head: HTTPResponse
    let body: ByteBuffer

    init(_ answer: CallAnswer) {
        head = HTTPResponse(status: answer.status, headerFields: answer.headers)
        body = answer.json.map { ByteBuffer(bytes: $0.bytes) } ?? ByteBuffer()
        if let json = answer.json { head.headerFields[.contentLength] = String(json.bytes.count) }
    }

    init(_ response: Response) async {
        head = response.head
        let collector = BodyCollector()
        // The collector throws nothing, and no response of this program streams.
        try? await response.body.write(collector)
        body = collector.body
    }
}

/// Keeps what a response writes.
///
/// Used by one task.
private final class BodyCollector: ResponseBodyWriter {
    var body = ByteBuffer()

    func write(_ buffer: ByteBuffer) {
        var buffer = buffer
        if body.readableBytes == 0 { body = buffer } else { body.writeBuffer(&buffer) }
    }

    func finish(_ trailingHeaders: HTTPFields?) {}
}
