import CLinux
import CheckpointAPI
import Checkpoints
import Glibc
import PostgresStorage
import SQLiteStorage

/// What does not depend on the store: the program's parts, the clock, and how much the system lets it have.
enum MachineChecks {
    /// No release is older: a clock before this is wrong.
    private static let earliest = 1_760_000_000
    private static let latest = 4_102_444_800

    static func versions() -> Finding {
        let parts =
            "milepost \(Version.current), SQLite \(SQLiteExamination.engineVersion), "
            + "libpq \(PostgresExamination.libraryVersion), zstd \(SQLiteExamination.compressionVersion)"
        if let problem = SQLiteExamination.engineProblem {
            return Finding("versions", .problem, "\(parts): \(problem)")
        }
        return Finding("versions", .ok, parts)
    }

    static func clock() -> Finding {
        let now = time(nil)
        guard now > earliest, now < latest else {
            return Finding(
                "clock", .problem,
                "the clock of this machine is wrong (it is \(now) seconds after 1970); set it: tokens and keys expire by it"
            )
        }
        switch milepost_clock_is_synchronised() {
        case 1: return Finding("clock", .ok, "synchronised")
        case 0:
            return Finding(
                "clock", .warning,
                "the clock is not synchronised, as far as the kernel knows; run chrony or systemd-timesyncd on the machine"
            )
        default:
            return Finding("clock", .ok, "the time is plausible; whether it is synchronised cannot be seen from here")
        }
    }

    static func openFiles(_ connections: Int) -> Finding {
        let possible = FileLimit.raise()
        guard possible < connections else {
            return Finding("open files", .ok, "enough for max-connections (\(connections.grouped))")
        }
        return Finding(
            "open files", .warning,
            "the system lets this process have \(possible.grouped) connections, and max-connections is "
                + "\(connections.grouped); raise the limit (ulimit -n, LimitNOFILE=) or lower max-connections"
        )
    }

    /// One finding for each file that others can read, and one when all are well.
    static func secrets(_ files: [(option: String, path: String)]) -> [Finding] {
        var findings: [Finding] = []
        for (option, path) in files {
            guard access(path, R_OK) == 0, let file = Durable.facts(path) else {
                let reason = String(cString: strerror(errno))
                findings.append(Finding("secrets", .problem, "cannot read \(path): \(reason); check \(option)"))
                continue
            }
            // A TLS key may be its group's: a group of its own is how several programs use one.
            let others = option == "tls-key-file" ? 0o007 : 0o077
            guard file.permissions & others == 0 else {
                findings.append(
                    Finding(
                        "secrets", .warning,
                        "\(path) (\(option)) can be read by others than its owner; run 'chmod 600 \(path)'"
                    )
                )
                continue
            }
        }
        if findings.isEmpty && !files.isEmpty {
            findings.append(Finding("secrets", .ok, "\(files.count) files that their owner alone reads"))
        }
        return findings
    }
}
