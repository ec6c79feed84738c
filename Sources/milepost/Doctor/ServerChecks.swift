import CheckpointAPI
import Glibc
import Logging
import MilepostClient

/// The configuration as a server would take it, and the server that may run with it.
struct ServerChecks {
    private static let days = 86_400
    /// Within which a certificate should be replaced.
    private static let soon = 14

    let configuration: ServerConfiguration

    func findings() async -> [Finding] {
        var findings: [Finding] = []
        if let warning = configuration.exposure.warning {
            findings.append(Finding("exposure", .warning, "\(warning); give --api-keys-file, or listen on 127.0.0.1"))
        }
        findings.append(await access())
        if let audit = audit() { findings.append(audit) }
        if let tls = tls() { findings.append(tls) }
        findings.append(MachineChecks.openFiles(configuration.connections.connections))
        findings.append(await answer())
        return findings
    }

    private func access() async -> Finding {
        do {
            // What it would log is in the error, or is about traffic.
            let silent = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
            let access = try await ServerAccess(configuration.access, writesAudit: false, logger: silent)
            await access.close()
            return Finding("access", .ok, "who gets in: \(access.description)")
        } catch {
            return Finding("access", .problem, error.description)
        }
    }

    /// Nil where none is named.
    private func audit() -> Finding? {
        guard let path = configuration.access.auditLog else { return nil }
        let isThere = Glibc.access(path, F_OK) == 0
        let place = isThere ? path : path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard Glibc.access(place, W_OK) == 0 else {
            let reason = String(cString: strerror(errno))
            return Finding("audit log", .problem, "cannot write to \(path) (\(reason)); check audit-log")
        }
        return Finding("audit log", .ok, path)
    }

    /// Nil without TLS.
    private func tls() -> Finding? {
        guard let tls = configuration.tls else { return nil }
        do {
            let settings = TLSSettings(
                certificateFile: tls.certificateFile, keyFile: tls.keyFile, clientCAFile: tls.clientCAFile)
            let loaded = try settings.load()
            if let warning = loaded.warnings.first { return Finding("tls", .problem, warning) }
            let days = (loaded.expires - time(nil)) / Self.days
            guard days >= Self.soon else {
                return Finding(
                    "tls", .warning,
                    "the certificate in \(tls.certificateFile) expires in \(days) days; replace the file, no restart is needed"
                )
            }
            return Finding("tls", .ok, "the certificate and its key match; it expires in \(days.grouped) days")
        } catch {
            return Finding("tls", .problem, error.description)
        }
    }

    /// A server that is not there is no problem: this command is also for before the first start.
    private func answer() async -> Finding {
        guard configuration.port != 0 else { return Finding("server", .ok, "port 0: no address to look at") }
        let scheme = configuration.tls == nil ? "http" : "https"
        let url = "\(scheme)://\(Self.reachable(configuration.host)):\(configuration.port)"
        do {
            let version = try await MilepostClient.with(url: url, timeout: .seconds(5)) { client in
                try await client.checkHealth()
                try await client.checkReadiness()
                return try await client.serverVersion()
            }
            guard version == Version.current else {
                return Finding(
                    "server", .warning,
                    "version \(version) answers at \(url), and this is \(Version.current); restart it to take the new one"
                )
            }
            return Finding("server", .ok, "answers at \(url), takes changes, and is of this version")
        } catch let error as MilepostClientError where error.message == "connection refused" {
            return Finding("server", .ok, "none answers at \(url)")
        } catch let error as MilepostClientError where error.kind == .unreachable && scheme == "https" {
            return Finding(
                "server", .ok, "something is at \(url); its certificate is not for that name, so it was not asked")
        } catch let error as MilepostClientError where error.kind == .overloaded {
            return Finding("server", .problem, "answers at \(url) and takes no changes (\(error.message)); see its log")
        } catch {
            return Finding(
                "server", .problem,
                "something else than a healthy Milepost answers at \(url) (\(error)); stop it, or give another --port"
            )
        }
    }

    /// Of what means any address, one of this machine.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0", "": "127.0.0.1"
        case "::": "[::1]"
        default: host.contains(":") ? "[\(host)]" : host
        }
    }
}
