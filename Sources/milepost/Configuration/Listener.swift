import Glibc
import NIOCore

/// An address to listen on, and the options that it came from.
struct Listener: Hashable {
    let host: String
    let port: Int
    let hostOption: String
    let portOption: String

    /// `host:port`, as a URL has it: an IPv6 address in brackets.
    ///
    /// `port` is what the system chose, where that is known.
    func authority(port: Int? = nil) -> String {
        let port = port ?? self.port
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// What the operator is told when listening there has failed; any other error stays as it is.
    func startError(for error: any Error) -> any Error {
        switch error {
        case let error as IOError: StartError.machine(sentence(for: error))
        case let error as SocketAddressError.UnknownHost:
            StartError.machine(
                "host '\(error.host)' cannot be looked up (\(error.errorDescription)); "
                    + "give \(hostOption) an address of this machine, such as 127.0.0.1, or a name that has one"
            )
        default: error
        }
    }

    private func sentence(for error: IOError) -> String {
        let address = authority()
        return switch error.errnoCode {
        case EADDRINUSE:
            "\(address) is in use by another program; stop that one, or give this one another \(portOption)"
        case EADDRNOTAVAIL:
            "\(address) is not an address of this machine; give \(hostOption) one that is, such as 127.0.0.1"
        case EACCES: "this user may not listen on \(address); give a \(portOption) above 1023"
        default: "cannot listen on \(address) (\(error)); check \(hostOption) and \(portOption)"
        }
    }
}
