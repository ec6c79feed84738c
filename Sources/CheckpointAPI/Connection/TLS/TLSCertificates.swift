import Authentication
package import Logging
package import NIOSSL
import Synchronization

/// The certificate of the server as it is now: replaced files are taken up without a restart.
///
/// A new connection gets the newest; those that are open go on with theirs.
package final class TLSCertificates: Sendable {
    private static let interval = Duration.seconds(1)

    private let settings: TLSSettings
    private let logger: Logger
    private let state: Mutex<(context: NIOSSLContext, files: WatchedFiles)>

    /// Throws when the files cannot be used; logs what is not as it should be.
    package init(_ settings: TLSSettings, logger: Logger) throws(TLSError) {
        self.settings = settings
        self.logger = logger
        let files = WatchedFiles(settings.files)
        let loaded = try settings.load()
        state = Mutex((loaded.context, files))
        warn(loaded.warnings)
    }

    var takesClientCertificates: Bool { settings.clientCAFile != nil }

    package var context: NIOSSLContext {
        state.withLock { $0.context }
    }

    /// Looks at the files once a second, until its task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            look()
            // Only a cancellation ends the pause early, and the loop with it.
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Takes up files that have changed since the last time; what cannot be used is logged once, and the old ones stay.
    package func look() {
        guard state.withLock({ $0.files.haveChanged() }) else { return }
        do throws(TLSError) {
            let loaded = try settings.load()
            state.withLock { $0.context = loaded.context }
            logger.notice("TLS certificate replaced", metadata: ["file": .string(settings.certificateFile)])
            warn(loaded.warnings)
        } catch {
            logger.error(
                "the changed TLS files cannot be used; the old certificate stays",
                metadata: ["error": .string(error.description)]
            )
        }
    }

    private func warn(_ warnings: [String]) {
        for warning in warnings {
            logger.warning("TLS is not as it should be", metadata: ["warning": .string(warning)])
        }
    }
}
