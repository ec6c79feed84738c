import Crypto
import Foundation
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// Makes certificates that it signs itself.
struct TestAuthority {
    private let key = P256.Signing.PrivateKey()
    private let name: DistinguishedName
    let certificate: Certificate

    struct Pair {
        let certificate: String
        let key: String
    }

    init() throws {
        name = try DistinguishedName { CommonName("authority \(UUID())") }
        certificate = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now.addingTimeInterval(-86_400),
            notValidAfter: .now.addingTimeInterval(86_400),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: .init(key)
        )
    }

    var pem: String { get throws { try certificate.serializeAsPEM().pemString } }

    /// A pair for those names; `lifetime` in seconds from now.
    func pair(_ names: [GeneralName] = [.dnsName("localhost")], lifetime: TimeInterval = 3_600) throws -> Pair {
        let key = P256.Signing.PrivateKey()
        let certificate = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now.addingTimeInterval(-7_200),
            notValidAfter: .now.addingTimeInterval(lifetime),
            issuer: name,
            subject: try DistinguishedName { CommonName("leaf \(UUID())") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions { SubjectAlternativeNames(names) },
            issuerPrivateKey: .init(self.key)
        )
        return Pair(certificate: try certificate.serializeAsPEM().pemString, key: key.pemRepresentation)
    }

    /// What a client that trusts this authority speaks, with the certificate it shows.
    func client(
        showing pair: Pair? = nil,
        upTo version: TLSVersion? = nil,
        protocols: [String] = []
    ) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)))
        configuration.maximumTLSVersion = version
        configuration.minimumTLSVersion = .tlsv1
        configuration.applicationProtocols = protocols
        if let pair {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8))
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem))
        }
        return configuration
    }
}
