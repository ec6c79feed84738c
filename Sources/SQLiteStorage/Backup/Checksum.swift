package import Checkpoints
import Crypto
import Glibc

/// The SHA-256 of a file, and the small file beside it that `sha256sum -c` reads.
package struct Checksum: Hashable, Sendable {
    package static let suffix = ".sha256"
    private static let chunkBytes = 1 << 20

    /// 64 lower-case digits.
    package let digits: String

    private init(digits: String) {
        self.digits = digits
    }

    /// Reads the whole file.
    package init(of path: String, _ report: (Int) throws -> Void = { _ in }) throws {
        self = try Self.read(path, into: nil, report)
    }

    /// Copies a file over another, which has to be there and empty, and flushes it.
    ///
    /// The checksum is of the bytes that were written. `report` is told how many there are so far.
    package static func copying(
        _ path: String,
        to copy: String,
        _ report: (Int) throws -> Void = { _ in }
    ) throws -> Checksum {
        let target = open(copy, O_WRONLY | O_CLOEXEC)
        guard target >= 0 else { throw StoreOpenError.failed("open \(copy)") }
        defer { close(target) }
        let checksum = try read(path, into: (target, copy), report)
        guard fsync(target) == 0 else { throw StoreOpenError.failed("flush \(copy)") }
        return checksum
    }

    private static func read(
        _ path: String,
        into target: (descriptor: Int32, name: String)?,
        _ report: (Int) throws -> Void
    ) throws -> Checksum {
        let source = open(path, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw StoreOpenError.failed("open \(path)") }
        defer { close(source) }
        var hash = SHA256()
        var total = 0
        var buffer = [UInt8](repeating: 0, count: chunkBytes)
        while true {
            let count = Glibc.read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw StoreOpenError.failed("read \(path)") }
            if count == 0 { break }
            buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            if let target {
                var rest = buffer[..<count]
                while !rest.isEmpty {
                    let written = rest.withUnsafeBytes { write(target.descriptor, $0.baseAddress, $0.count) }
                    if written < 0 && errno == EINTR { continue }
                    guard written >= 0 else { throw StoreOpenError.failed("write to \(target.name)") }
                    rest = rest.dropFirst(written)
                }
                Failpoint.pass("file copied part")
            }
            total += count
            try report(total)
        }
        let digits = hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return Checksum(digits: digits)
    }

    /// The line of `sha256sum`, for a file that lies in the same directory.
    ///
    /// A name with a line break or a backslash is escaped as the program does it, with a backslash before the line.
    package func line(for path: String) -> String {
        let name = Self.name(of: path)
        let escaped = name.map { $0 == "\\" ? "\\\\" : $0 == "\n" ? "\\n" : $0 == "\r" ? "\\r" : String($0) }.joined()
        return "\(escaped == name ? "" : "\\")\(digits)  \(escaped)\n"
    }

    /// What the file beside `path` says; nil when there is none.
    ///
    /// Throws when it says nothing of that file.
    package init?(besides path: String) throws(StoreOpenError) {
        let descriptor = open(path + Self.suffix, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .failed("open \(path)\(Self.suffix)")
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 1 << 13)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        let line = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self).drop { $0 == "\\" }
        let digits = line.prefix { $0.isHexDigit && $0.isASCII }
        guard digits.count == 64 else {
            throw StoreOpenError(
                .notAccessible, "\(path)\(Self.suffix) has no SHA-256 in it",
                hint: "copy it again from where the backup was made, or give --without-checksum"
            )
        }
        self.init(digits: digits.lowercased())
    }

    private static func name(of path: String) -> String {
        String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
    }
}
