import Logging

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
        do throws(SmallFile.ReadError) {
            return try SmallFile(path).bytes
        } catch {
            throw JWKSError("the file cannot be read: \(error.reason)")
        }
    }
}
