import Checkpoints
import Encryption
import PostgresStorage
import SQLiteStorage

/// The store that a server would open: read-only, also while one has it open.
struct StoreChecks {
    let store: StoreConfiguration
    /// Nil without keys; not looked at when they could not be read.
    let keys: EncryptionKeys?
    /// Whether everything in it is looked at.
    let isFull: Bool
    let line: ProgressLine

    func findings() async throws -> [Finding] {
        switch store {
        case .memory:
            return [
                Finding("store", .warning, "memory: ends with its server; give --store sqlite:PATH to keep anything")
            ]
        case .sqlite(let path):
            let disk = DiskChecks(path: path).findings()
            guard Durable.exists(path) else { return disk }
            return disk + [try await file(path)]
        case .postgres(let target):
            return try await database(target)
        }
    }

    private func file(_ path: String) async throws -> Finding {
        let found: SQLiteExamination
        do {
            found = try SQLiteExamination(path: path)
        } catch let error as StoreOpenError where error.kind == .olderSchema {
            return Finding(
                "store", .warning,
                "\(path) has an older layout, which the next start changes for good; make a backup before, and see "
                    + "'Upgrades' in docs/storage.md for the room that it takes"
            )
        } catch let error as StoreOpenError {
            return Finding("store", .problem, error.description)
        }
        if let first = found.damage.first {
            return Finding(
                "store", .problem,
                "\(path) has damaged pages (\(first)); run 'milepost verify' for the threads that are hit, and restore a backup"
            )
        }
        if let mismatch = mismatch(found.encryption) { return Finding("store", .problem, "\(path) \(mismatch)") }
        let size = "\(found.threads.grouped) threads, \((found.bytes / 1_000).grouped) kB"
        return try await whole(size) ?? Finding("store", .ok, "\(size), pages are sound; --full looks at every value")
    }

    /// Nil unless everything is to be looked at.
    private func whole(_ size: String) async throws -> Finding? {
        guard isFull else { return nil }
        let found = try await store.verify(keys: keys) { line.show($0.line, fraction: $0.fraction) }
        line.end()
        guard found.damage.isEmpty else {
            return Finding("store", .problem, "\(found.summary); run 'milepost verify' for what it is")
        }
        return Finding("store", .ok, "\(size): \(found.summary)")
    }

    /// Why a server would not open it with these keys.
    private func mismatch(_ state: EncryptionState) -> String? {
        switch (state, keys) {
        case (.clear, .some): "is not encrypted and there are keys; run 'milepost rekey', or leave the keys out"
        case (.sealed, nil), (.mixed, nil): "is encrypted and there are no keys; give --encryption-keys-file"
        case (.mixed, .some): "was left in the middle of a rekey; run 'milepost rekey' again"
        case (.clear, nil), (.sealed, .some): nil
        }
    }

    // MARK: - PostgreSQL

    private func database(_ target: ConnectionString) async throws -> [Finding] {
        let found: PostgresExamination
        do {
            found = try PostgresExamination(target)
        } catch {
            return [Finding("postgresql", .problem, error.description)]
        }
        var findings = [server(found)]
        findings += found.warnings.map { Finding("durability", .problem, $0) }
        if found.warnings.isEmpty {
            findings.append(Finding("durability", .ok, "fsync, synchronous_commit and full_page_writes are on"))
        }
        findings += [tables(found), connections(found), clock(found)]
        if let whole = try await whole("read") { findings.append(whole) }
        return findings
    }

    private func server(_ found: PostgresExamination) -> Finding {
        let version = "PostgreSQL \(found.serverVersion)"
        if found.isStandby {
            return Finding(
                "postgresql", .problem,
                "\(version) is a standby, which takes no changes; name the primary, or all hosts with "
                    + "target_session_attrs=read-write"
            )
        }
        return Finding(
            "postgresql", .ok,
            found.isPooled ? "\(version) through a pooler: give it four server connections at least" : version
        )
    }

    private func tables(_ found: PostgresExamination) -> Finding {
        if let refusal = found.refusal { return Finding("tables", .problem, refusal) }
        guard found.pendingStatements == 0 else {
            return Finding(
                "tables", .warning,
                "not ready yet: the next start runs \(found.pendingStatements) statements, if its role may; "
                    + "'milepost migrate --print-sql' shows them"
            )
        }
        return Finding("tables", .ok, "ready, and the role may use them")
    }

    private func connections(_ found: PostgresExamination) -> Finding {
        let needed = PostgresExamination.connectionsOfAServer
        let left = found.maxConnections - found.usedConnections
        let words = "\(left) of \(found.maxConnections) are left, a server takes up to \(needed)"
        guard left >= needed else {
            return Finding("connections", .warning, "\(words); raise max_connections, or end some others")
        }
        return Finding("connections", .ok, words)
    }

    private func clock(_ found: PostgresExamination) -> Finding {
        let seconds = Int(found.clockLead / .seconds(1))
        guard abs(seconds) < 2 else {
            return Finding(
                "their clock", .warning,
                "PostgreSQL's clock is \(abs(seconds).grouped) s \(seconds > 0 ? "before" : "behind") this machine's; "
                    + "synchronise both"
            )
        }
        return Finding("their clock", .ok, "PostgreSQL's agrees with this machine's")
    }
}
