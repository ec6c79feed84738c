#if FAILPOINTS
import Glibc
import Synchronization

/// A named place at which a debug build can be made to die, as by the kernel or the power switch.
///
/// A test names a file in the environment, `MILEPOST_FAILPOINT_FILE`, and writes what it wants into it at any time:
///
/// - `sqlite before COMMIT@3`: the process kills itself as it passes the point of that name for the third time since the
///   file said so. It is SIGKILL: nothing is flushed, closed or answered any more.
/// - `-`, or anything without a number: nobody dies.
/// - Nothing, or no file: points cost a look at the file, and that is all.
///
/// While there is something in the file, the name of each point that is passed is added to `FILE.passed`, one a line, by
/// which a test learns what there is. Read anew at each point, so that a server can be started and filled before.
///
/// A release build has none of this: `FAILPOINTS` is defined for debug builds alone (Package.swift). Each target that has
/// points has empty functions of these names for release builds, in `NoFailpoint.swift`: as they are of the same module, the
/// compiler leaves nothing of a call, nor of a point's name. `e2e/test_failpoints.py` uses it.
package enum Failpoint {
    private static let path = getenv("MILEPOST_FAILPOINT_FILE").map { String(cString: $0) }
    private static let order = Mutex(Order(""))

    /// Whether anybody may want to know: what costs time only for the sake of points is done then alone.
    package static var isActive: Bool { path != nil }

    /// Passes the point.
    package static func pass(_ name: @autoclosure () -> String) {
        guard let path else { return }
        // Whoever passes one meanwhile waits: the counts are exact, also with many threads.
        order.withLock { order in
            let text = read(path)
            if text != order.text { order = Order(text) }
            guard !text.isEmpty else { return }
            let name = name()
            append(name + "\n", to: path + ".passed")
            guard name == order.name, order.left > 0 else { return }
            order.left -= 1
            if order.left == 0 { kill(getpid(), SIGKILL) }
        }
    }

    /// A few of the first words of a statement.
    package static func words(_ sql: String) -> String {
        String(sql.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(50))
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 200) { buffer, count in
            count = max(Glibc.read(descriptor, buffer.baseAddress, 200), 0)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(_ line: String, to path: String) {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var line = line
        line.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// What the file says.
private struct Order {
    var text = ""
    var name = ""
    /// How often the point must still be passed; 0 for never.
    var left = 0

    /// `NAME@N`; anything else is an order to nobody.
    init(_ text: String) {
        self.text = text
        guard let at = text.lastIndex(of: "@"), let count = Int(text[text.index(after: at)...]) else { return }
        name = String(text[..<at])
        left = count
    }
}
#endif
