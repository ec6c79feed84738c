import Glibc
import Logging
import SystemPackage

/// A file that has the issuer's keys.
struct JWKSFile: Sendable {
    let path: String

    /// Reads the file again and again, and puts what is new in it into `keys`, until its task is cancelled.
    ///
    /// What cannot be read or understood leaves the keys as they are.
    func run(_ keys: IssuerKeys, every interval: Duration, logger: Logger) async {
        var seen = keys.current?.document
        var known: JWKSError?
        // Throws when cancelled.
        while (try? await Task.sleep(for: interval)) != nil {
            do throws(JWKSError) {
                let document = try read()
                if document != seen {
                    seen = document
                    try await keys.replace(document: document)
                }
                known = nil
            } catch {
                if error != known {
                    logger.error(
                        "the JWKS file cannot be used; the keys read before still count",
                        metadata: ["reason": .string(error.reason)]
                    )
                }
                known = error
            }
        }
    }

    /// What is in the file now.
    func read() throws(JWKSError) -> [UInt8] {
        do {
            // A pipe would have us wait for whoever writes to it.
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.nonBlocking, .closeOnExec])
            return try file.closeAfter { try Self.contents(of: file) }
        } catch let error as JWKSError {
            throw error
        } catch {
            throw JWKSError("the file cannot be read: \(error)")
        }
    }

    private static func contents(of file: FileDescriptor) throws -> [UInt8] {
        var status = stat()
        guard fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw JWKSError("it is not a regular file")
        }
        let limit = VerificationKeys.maximumDocumentBytes
        var count = 0
        var bytes = [UInt8](repeating: 0, count: min(limit, max(0, Int(status.st_size))) + 1)
        try bytes.withUnsafeMutableBytes { buffer in
            while count < buffer.count {
                let read = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                if read == 0 { break }
                count += read
            }
        }
        guard count <= limit else { throw JWKSError("it has more than \(limit) bytes") }
        return Array(bytes[..<count])
    }
}
