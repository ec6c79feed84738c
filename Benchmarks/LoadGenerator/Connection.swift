import NIOCore

/// A connection with one request at a time on its way; it reads as much of the answers as it must.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    enum Failure: Error {
        case closedByServer
        case notUnderstood(String)
    }

    private let run: Run
    private var context: ChannelHandlerContext?
    private var sent: (due: ContinuousClock.Instant, number: Int)?
    private var request = ByteBuffer()
    private var received = ByteBuffer()

    init(_ run: Run) {
        self.run = run
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        run.isFree(self)
    }

    func send(due: ContinuousClock.Instant, number: Int, _ write: (inout ByteBuffer) -> Void) {
        sent = (due, number)
        request.clear()
        write(&request)
        context?.writeAndFlush(NIOAny(request), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        received.writeBuffer(&part)
        do {
            guard let status = try takeAnswer(), let sent else { return }
            run.answer(status: status, on: self, due: sent.due, number: sent.number)
        } catch {
            run.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        run.fail(Failure.closedByServer)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        run.fail(error)
    }

    /// The status of the answer once all of it is there.
    private func takeAnswer() throws -> Int? {
        let bytes = received.readableBytesView
        guard let end = bytes.firstRange(of: "\r\n\r\n".utf8)?.upperBound else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let lines = head.lowercased().split(whereSeparator: \.isNewline)
        let length = lines.first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) }
        guard let status = Int(head.dropFirst(9).prefix(3)), let length = length ?? (status == 204 ? 0 : nil) else {
            throw Failure.notUnderstood(head)
        }
        guard bytes.count >= end - bytes.startIndex + length else { return nil }
        received.clear()
        return status
    }
}
