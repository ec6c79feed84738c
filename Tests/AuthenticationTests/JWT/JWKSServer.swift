import Foundation
import Glibc
import JSON
import Synchronization
import Testing

/// An issuer's server on a real socket, which counts what it is asked and can misbehave.
///
/// Of plain system calls, so that it can be told to stop at any moment.
final class JWKSServer: Sendable {
    struct Answer: Sendable {
        var status = 200
        var body = ""
        var location: String?
        /// How long the head takes, in milliseconds.
        var delay: Int32 = 0
        /// How long the body takes after its first byte, in milliseconds.
        var pause: Int32 = 0
    }

    private let state = Mutex((answer: Answer(), paths: [String](), traceParents: [String?]()))

    var answer: Answer {
        get { state.withLock { $0.answer } }
        set { state.withLock { $0.answer = newValue } }
    }

    /// The paths that were asked for, in their order.
    var paths: [String] { state.withLock { $0.paths } }

    /// The traces that the requests were parts of, in their order.
    var traceParents: [String?] { state.withLock { $0.traceParents } }

    func publish(_ keys: [JSONValue]) {
        let document: JSONValue = ["keys": .array(keys)]
        answer = Answer(body: String(decoding: document.text.bytes, as: UTF8.self))
    }

    /// Runs `body` while the server listens on a port of its own, which it is given.
    func whileListening(_ body: (Int) async throws -> Void) async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listener, generic, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, generic, &length) == 0
            } ? Int(UInt16(bigEndian: address.pointee.sin_port)) : 0
        }
        try #require(port != 0)
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread { [self] in
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                Thread.detachNewThread { [self] in
                    respond(on: connection)
                    close(connection)
                }
            }
            ended.signal()
        }
        // It wakes `accept`.
        defer {
            shutdown(listener, Int32(SHUT_RDWR))
            ended.wait()
        }
        try await body(port)
    }

    private func respond(on connection: Int32) {
        var request = ""
        while !request.contains("\r\n\r\n") {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            request += String(decoding: buffer[..<count], as: UTF8.self)
        }
        let path = String(request.split(separator: " ").dropFirst().first ?? "")
        let traceParent = request.split(separator: "\r\n").first { $0.hasPrefix("traceparent: ") }
        let answer = state.withLock { state in
            state.paths.append(path)
            state.traceParents.append(traceParent.map { String($0.dropFirst("traceparent: ".count)) })
            return state.answer
        }
        wait(answer.delay, connection)
        let location = answer.location.map { "location: \($0)\r\n" } ?? ""
        let head =
            "HTTP/1.1 \(answer.status) x\r\n\(location)content-length: \(answer.body.utf8.count)\r\n"
            + "connection: close\r\n\r\n"
        send(head + answer.body.prefix(1), connection)
        wait(answer.pause, connection)
        send(String(answer.body.dropFirst()), connection)
    }

    /// Waits that long, or until the client goes.
    private func wait(_ milliseconds: Int32, _ connection: Int32) {
        guard milliseconds > 0 else { return }
        var interest = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        poll(&interest, 1, milliseconds)
    }

    private func send(_ text: String, _ connection: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // The client has gone.
            guard sent > 0 else { return }
            bytes = bytes.dropFirst(sent)
        }
    }
}
