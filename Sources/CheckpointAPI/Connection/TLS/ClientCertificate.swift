import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// The certificate that a client showed.
enum ClientCertificate {
    /// The names for which it was made out: `URI:…` and `DNS:…`, in their order; empty when the client showed none.
    ///
    /// Called on the channel's event loop after the handshake, which fails for a certificate that the client CA did not
    /// sign.
    static func names(of channel: any Channel) throws -> [String] {
        guard let shown = try channel.pipeline.syncOperations.nioSSL_peerCertificate() else { return [] }
        let certificate = try Certificate(derEncoded: try shown.toDERBytes())
        guard let names = try certificate.extensions.subjectAlternativeNames else { return [] }
        return names.compactMap { name in
            switch name {
            case .uniformResourceIdentifier(let text): "URI:" + text
            case .dnsName(let text): "DNS:" + text
            default: nil
            }
        }
    }
}
