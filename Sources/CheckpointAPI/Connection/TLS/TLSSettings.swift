import Authentication
import Glibc
import NIOCore
package import NIOSSL

/// Why TLS cannot be spoken as it is set up, in a sentence for the operator.
package struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

/// The files that TLS needs, and what is spoken in it.
package struct TLSSettings: Sendable {
    /// What the files hold, fit to be used.
    package struct Loaded: Sendable {
        package let context: NIOSSLContext
        /// What is not as it should be, although it can be used.
        package let warnings: [String]
        /// When the first certificate expires, in seconds since 1970.
        package let expires: Int
    }

    /// How long a client has to say farewell, once it was told.
    private static let farewell = TimeAmount.seconds(1)

    package let certificateFile: String
    package let keyFile: String
    /// Who signs the certificates of clients; nil when none are looked at.
    package let clientCAFile: String?
    package let http2: Bool

    package init(certificateFile: String, keyFile: String, clientCAFile: String? = nil, http2: Bool = true) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.clientCAFile = clientCAFile
        self.http2 = http2
    }

    var files: [String] { [certificateFile, keyFile] + (clientCAFile.map { [$0] } ?? []) }

    /// Reads and checks the files.
    package func load() throws(TLSError) -> Loaded {
        let certificates = try certificates(in: certificateFile, option: "tls-certificate-file")
        let key = try loadKey()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = http2 ? ["h2", "http/1.1"] : ["http/1.1"]
        configuration.shutdownTimeout = Self.farewell
        var warnings = certificates.first.map { Self.warnings($0, of: certificateFile) } ?? []
        if let clientCAFile {
            let authorities = try self.certificates(in: clientCAFile, option: "tls-client-ca-file")
            configuration.certificateVerification = .optionalVerification
            configuration.trustRoots = .certificates(authorities)
            configuration.sendCANameList = true
            for authority in authorities { warnings += Self.warnings(authority, of: clientCAFile) }
        }
        do {
            return Loaded(
                context: try NIOSSLContext(configuration: configuration),
                warnings: warnings,
                expires: certificates.first.map { Int($0.notValidAfter) } ?? 0
            )
        } catch {
            throw TLSError(
                description: "the key in \(keyFile) does not belong to the first certificate in \(certificateFile); "
                    + "give --tls-certificate-file and --tls-key-file the two halves of one pair"
            )
        }
    }

    private func certificates(in path: String, option: String) throws(TLSError) -> [NIOSSLCertificate] {
        let bytes = try read(path, option: option).bytes
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(bytes)
            if !certificates.isEmpty { return certificates }
        } catch {
            // The sentence below says all that helps.
        }
        throw TLSError(description: "\(path) has no certificate in PEM form; give --\(option) a file that has one")
    }

    private func loadKey() throws(TLSError) -> NIOSSLPrivateKey {
        let file = try read(keyFile, option: "tls-key-file")
        guard file.mode & 0o007 == 0 else {
            throw TLSError(
                description: "others than its owner and group may use the key file \(keyFile); "
                    + "run 'chmod o= \(keyFile)', and make a new key if somebody may have read it"
            )
        }
        do {
            return try NIOSSLPrivateKey(bytes: file.bytes, format: .pem)
        } catch {
            throw TLSError(
                description: "\(keyFile) has no private key in PEM form without a passphrase; "
                    + "give --tls-key-file a file that has one"
            )
        }
    }

    private func read(_ path: String, option: String) throws(TLSError) -> SmallFile {
        do {
            return try SmallFile(path)
        } catch {
            throw TLSError(description: "cannot read \(path): \(error.reason); check --\(option)")
        }
    }

    private static func warnings(_ certificate: NIOSSLCertificate, of path: String) -> [String] {
        let now = time(nil)
        if certificate.notValidAfter < now {
            return ["the certificate in \(path) has expired; clients refuse it until it is replaced"]
        }
        if certificate.notValidBefore > now {
            return ["the certificate in \(path) is not valid yet; check the clock of this machine"]
        }
        return []
    }
}
