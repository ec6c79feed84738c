import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// A response whose body is at hand.
struct WholeResponse: Sendable {
    var head: HTTPResponse
    let body: ByteBuffer
    /// What the body takes of the budget for answers; nil where it is not counted.
    let reservation: AnswerReservation?

    init(_ answer: CallAnswer, _ reservation: AnswerReservation?) {
        self.reservation = reservation
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
        reservation = collector.reservation
    }

    /// To be kept when the body was sent, or never will be; nil where it is not counted.
    ///
    /// It is counted until then.
    func whenSent(on eventLoop: any EventLoop) -> EventLoopPromise<Void>? {
        guard let reservation else { return nil }
        let sent = eventLoop.makePromise(of: Void.self)
        sent.futureResult.whenComplete { _ in withExtendedLifetime(reservation) {} }
        return sent
    }
}

/// Keeps what a response writes.
///
/// Used by one task.
final class BodyCollector: ResponseBodyWriter {
    fileprivate(set) var body = ByteBuffer()
    /// What the body takes of the budget for answers.
    var reservation: AnswerReservation?

    func write(_ buffer: ByteBuffer) {
        var buffer = buffer
        if body.readableBytes == 0 { body = buffer } else { body.writeBuffer(&buffer) }
    }

    func finish(_ trailingHeaders: HTTPFields?) {}
}
