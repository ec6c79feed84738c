import Glibc

/// Whether the server may listen where it is told to.
///
/// Strangers reach any address but loopback.
struct Exposure {
    let host: String
    let access: AccessConfiguration
    let hasTLS: Bool

    /// Throws when strangers would get in, or could read credentials on their way.
    func check() throws(StartError) {
        guard !isLoopback else { return }
        if access.isOpen {
            guard !access.allowsOpen else { return }
            throw .usage(
                "\(host) is not a loopback address, and without authentication whoever reaches it reads and deletes every "
                    + "thread; give --api-keys-file (milepost keys create makes one), or stay on 127.0.0.1, or give "
                    + "--insecure-allow-open if that is what you want"
            )
        }
        guard hasTLS || access.isBehindProxy else {
            throw .usage(
                "\(host) is not a loopback address, and credentials would cross the network in the clear; give "
                    + "--tls-certificate-file and --tls-key-file, or --behind-tls-proxy if a proxy in front ends TLS"
            )
        }
    }

    /// For every place where an operator looks; nil when all is well.
    var warning: String? {
        guard access.isOpen, access.allowsOpen, !isLoopback else { return nil }
        return "open to everybody who reaches \(host): no authentication (insecure-allow-open)"
    }

    /// Whether `host` means this machine alone, whatever a resolver says.
    var isLoopback: Bool {
        if host == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        let bytes = withUnsafeBytes(of: six) { Array($0) }
        let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? bytes[12] == 127 : bytes[0..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
    }
}
