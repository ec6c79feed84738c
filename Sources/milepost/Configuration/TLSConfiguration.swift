import Configuration

/// The certificate that the server shows, and whose it wants to see.
struct TLSConfiguration: Hashable {
    /// `tls-certificate-file` (string, default none): the certificate and what chains it to its authority, as PEM.
    let certificateFile: String
    /// `tls-key-file` (string): its private key, as PEM.
    let keyFile: String
    /// `tls-client-ca-file` (string, default none): the authority of client certificates, as PEM.
    let clientCAFile: String?

    static let keys: [(name: String, default: ConfigValue)] = [
        ("tls-certificate-file", ""),
        ("tls-key-file", ""),
        ("tls-client-ca-file", ""),
    ]

    /// Nil without any of these.
    init?(_ config: ConfigReader) throws(StartError) {
        let certificate = try config.optionalText("tls-certificate-file")
        let key = try config.optionalText("tls-key-file")
        clientCAFile = try config.optionalText("tls-client-ca-file")
        guard let certificate, let key else {
            guard certificate == nil, key == nil, clientCAFile == nil else {
                throw .usage("TLS needs both tls-certificate-file and tls-key-file; give the other one too")
            }
            return nil
        }
        certificateFile = certificate
        keyFile = key
    }
}
