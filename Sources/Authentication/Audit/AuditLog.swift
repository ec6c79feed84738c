import Glibc
import JSON
package import Logging
import Observability
package import SystemPackage

/// Where it is written down who was refused, and who deleted, copied or carried off what.
///
/// A record is one line of JSON, added at the end of the file with one system call, so that several processes may write
/// to one file. The file is opened anew for each line: one that was moved away by log rotation is left alone.
package struct AuditLog: Sendable {
    /// Why a record could not be written.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    private let path: FilePath?
    private let logger: Logger
    private let isOff: Bool

    /// Without a path the records go to the log, under the level `notice`.
    package init(path: FilePath?, logger: Logger) {
        self.path = path
        self.logger = logger
        isOff = false
    }

    /// Nothing is written down: there is nobody to tell from anybody else.
    package static let off = AuditLog()

    private init() {
        path = nil
        logger = Logger(label: "milepost")
        isOff = true
    }

    /// Throws what an operator should know at start: whether the file can be written to.
    package func check() throws(Failure) {
        try append([])
    }

    /// Writes a record; costs a few system calls, made on the caller's thread.
    package func write(_ record: AuditRecord) throws(Failure) {
        if isOff { return }
        let line = record.line(at: Timestamp.now.iso8601)
        if path != nil { return try append(line) }
        logger.notice("audit", metadata: ["record": .string(String(decoding: line.dropLast(), as: UTF8.self))])
    }

    /// The same for an event that has happened already: that it could not be written is itself logged.
    package func note(_ record: AuditRecord) {
        do {
            try write(record)
        } catch {
            logger.error(
                "the audit log cannot be written",
                metadata: ["error": .string(error.description), "event": .string(record.event.rawValue)]
            )
        }
    }

    private func append(_ line: [UInt8]) throws(Failure) {
        guard let path else { return }
        do {
            let file = try FileDescriptor.open(
                path,
                .writeOnly,
                options: [.append, .create, .closeOnExec],
                permissions: [.ownerReadWrite]
            )
            try file.closeAfter {
                guard !line.isEmpty else { return }
                // One call: what it writes stands together, whoever else adds to the file.
                let written = try line.withUnsafeBytes { try file.write($0) }
                guard written == line.count else { throw Errno.noSpace }
            }
        } catch {
            throw Failure(description: "cannot write to the audit log \(path): \(error); check audit-log")
        }
    }
}
