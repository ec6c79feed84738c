package import Logging
import Synchronization

/// Knows callers by the certificate that their client showed, and that TLS has verified.
///
/// Which name stands for whom says a file; a change of it is taken up without a restart.
package final class ClientCertificateMode: AuthenticationMode {
    private static let interval = Duration.seconds(1)

    package let name = "mtls"
    private let path: String
    private let logger: Logger
    private let state: Mutex<(principals: [String: Principal], files: WatchedFiles)>

    /// Throws when the file cannot be used.
    package init(file path: String, logger: Logger) throws(ClientCertificateFileError) {
        self.path = path
        self.logger = logger
        let files = WatchedFiles([path])
        state = Mutex((try ClientCertificateFile(path: path).principals, files))
    }

    package func recognises(_ credentials: Credentials) -> Bool {
        !credentials.certificateNames.isEmpty
    }

    package func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
        let found = state.withLock { state in
            Set(credentials.certificateNames.compactMap { state.principals[$0] })
        }
        guard let principal = found.first else {
            return .failure(AuthenticationFailure("no name of the certificate is known", .unknown))
        }
        guard found.count == 1 else {
            return .failure(AuthenticationFailure("the names of the certificate stand for different callers"))
        }
        return .success(principal)
    }

    package func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure> {
        principalAtOnce(for: credentials) ?? .failure(AuthenticationFailure("the certificate was not looked at"))
    }

    /// Looks at the file once a second, until its task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            look()
            // Only a cancellation ends the pause early, and the loop with it.
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Takes up a file that has changed since the last time; what cannot be used is logged once, and the old one stays.
    package func look() {
        guard state.withLock({ $0.files.haveChanged() }) else { return }
        do throws(ClientCertificateFileError) {
            let principals = try ClientCertificateFile(path: path).principals
            state.withLock { $0.principals = principals }
            logger.notice("client certificates file replaced", metadata: ["file": .string(path)])
        } catch {
            logger.error(
                "the changed client certificates file cannot be used; the old one stays",
                metadata: ["error": .string(error.description)]
            )
        }
    }
}
