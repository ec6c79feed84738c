import ArgumentParser
import Checkpoints
import Encryption
import JSON

/// `milepost doctor`: looks whether a server would run well here.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check whether a server would run well here.",
        discussion: """
            Takes the options of 'milepost serve', from the same places, and looks at the configuration, the files it names, \
            the machine, the disk, the store and the server, if one runs: a line for each, and what to do where something is \
            not as it should be. Changes nothing; a file PATH.doctor-probe is written to time the disk, and removed.

            Exit codes: 0 all is well, or there are warnings; 2 a server would not run, or not safely; 1 the checks could \
            not be made; 64 wrong usage.

            EXAMPLES
              milepost doctor
                  what 'milepost serve' would find
              milepost doctor --config /etc/milepost.json --full --json
                  everything in the store too, as one JSON object
            """
    )

    @OptionGroup var options: ServerOptions

    @Flag(help: "Look at every value in the store, as 'milepost verify' does.")
    var full = false

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "nothing was changed")
        defer { interruption.end() }
        defer { line.end() }
        let reading = await ServerConfiguration.readAll(options)
        if case .sqlite(let path)? = reading.store { interruption.begin(path + ".doctor-probe") }
        var findings = [MachineChecks.versions(), MachineChecks.clock()]
        findings += reading.problems.map { Finding("configuration", .problem, $0) }
        if reading.problems.isEmpty { findings.append(Finding("configuration", .ok, "a server would start with it")) }
        findings += MachineChecks.secrets(reading.secretFiles)
        let keys: EncryptionKeys?
        do {
            keys = try reading.configuration?.encryption.read()
        } catch {
            findings.append(Finding("encryption", .problem, error.description))
            keys = nil
        }
        if let store = reading.store {
            let checks = StoreChecks(store: store, keys: keys, isFull: full, line: line)
            findings += try await checks.findings()
        }
        if let configuration = reading.configuration {
            findings += await ServerChecks(configuration: configuration).findings()
        }
        line.end()
        report(findings)
        if findings.contains(where: { $0.state == .problem }) { throw ExitCode(2) }
    }

    private func report(_ findings: [Finding]) {
        let worst = findings.map(\.state).max() ?? .ok
        if json {
            Output.json(["state": .string(JSONString(worst.rawValue)), "findings": .array(findings.map(\.json))])
            return
        }
        for finding in findings {
            for text in finding.lines(on: .standardOutput) { Output.line(text) }
        }
    }
}
