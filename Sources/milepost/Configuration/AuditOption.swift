import ArgumentParser
import Authentication
import Configuration
import Logging
import SystemPackage

/// The option of commands whose use is written down.
struct AuditOption: ParsableArguments {
    @Option(help: ArgumentHelp("File for audit records (default: MILEPOST_AUDIT_LOG, or none).", valueName: "path"))
    var auditLog: String?

    /// Writes down what is about to be done, or was; nothing where no file is named.
    ///
    /// If it cannot be written, an error says so: then the command does nothing more.
    func write(
        _ event: AuditRecord.Event,
        _ outcome: AuditRecord.Outcome,
        _ reason: String,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) throws(StartError) {
        let config = ConfigReader(provider: environment.prefixKeys(with: "milepost"))
        guard let path = auditLog ?? config.string(forKey: "audit-log"), !path.isEmpty else { return }
        let log = AuditLog(path: FilePath(path), logger: Logger(label: "milepost"))
        do {
            try log.write(AuditRecord(event, outcome, source: "command line", reason: reason))
        } catch {
            throw .machine(error.description)
        }
    }
}
