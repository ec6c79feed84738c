import Glibc

/// What a file of a few kilobytes held when it was read, and who may use it.
package struct SmallFile {
    /// Why it could not be read, in the system's words.
    package struct ReadError: Error {
        package let reason: String
    }

    private static let maximumBytes = 1 << 20

    package let bytes: [UInt8]
    /// As `chmod` takes it.
    package let mode: UInt32

    package init(_ path: String) throws(ReadError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ReadError(reason: "it is not a regular file") }
        let tooLarge = ReadError(reason: "it has more than \(Self.maximumBytes) bytes")
        guard status.st_size <= Self.maximumBytes else { throw tooLarge }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count <= Self.maximumBytes {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += part[..<count]
        }
        guard bytes.count <= Self.maximumBytes else { throw tooLarge }
        self.bytes = bytes
        mode = status.st_mode & 0o7777
    }
}
