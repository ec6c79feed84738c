import Authentication
import Checkpoints
import HTTPTypes
import NIOCore

/// What the head of a request says about its way.
enum WholeRequest {
    /// Bytes of a body that are collected on the event loop at most.
    static let bodyLimit = 1_024 * 1_024

    /// The length of a body that is neither streamed nor long, on a connection that goes on; else nil.
    ///
    /// Only such requests are worth collecting before anything is done.
    static func length(announcedBy head: HTTPRequest) -> Int? {
        guard
            head.method == .post,
            let length = head.headerFields.value(of: .contentLength).flatMap({ Int($0) }),
            (0...bodyLimit).contains(length),
            head.headerFields.value(of: .expect) == nil, !isLast(head), !head.headerFields.contains(.contentEncoding),
            head.headerFields.value(of: .connection).map({ $0.lowercased() == "keep-alive" }) ?? true
        else { return nil }
        return length
    }

    /// Whether NIO's decoder may stop at the end of this request, in wait for another protocol.
    ///
    /// None is spoken here. What came behind it would be kept, without a bound, and never be answered.
    static func isLast(_ head: HTTPRequest) -> Bool {
        head.method == .connect || head.headerFields.contains(.upgrade)
    }
}

/// A request whose body is on its way.
struct CollectedRequest {
    let head: HTTPRequest
    /// Nil when it takes a task to find out who asks.
    let principal: Principal?
    /// When its head came.
    let start = MonotonicTime.now
    var body = ByteBuffer()
}
