import ArgumentParser
import Authentication
import Checkpoints
import Encryption
import Glibc
import JSON

/// `milepost rekey`: encrypts everything in a store with the first key, or decrypts it.
struct Rekey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encrypt a store, change its key, or decrypt it.",
        discussion: """
            Encrypts every value with the first of the keys: of a store that was not encrypted, and again after a new key \
            was put in front of the others. Afterwards the store takes no value that is not encrypted, and no server opens \
            it without its keys. A thread at a time; a run that was ended goes on when it is run again, and every thread can \
            be read meanwhile.

            No server may have an SQLite store open. On PostgreSQL stop every server that does not have these keys, and for \
            --decrypt every server. What was in clear may still be in backups, in archived logs and in rows that \
            PostgreSQL has not vacuumed.

            Exit codes: 0 done, 2 some threads could not be opened and are as they were, 1 the store could not be read \
            or written to the end, 64 wrong usage.

            EXAMPLES
              (umask 077; milepost rekey --new-key 2026-11 > keys.json)
                  a file with a new key
              milepost rekey --store sqlite:agents.db --encryption-keys-file keys.json
                  encrypt, or change the key
              milepost rekey --store sqlite:agents.db --encryption-keys-file keys.json --decrypt
                  everything in clear again
            """
    )

    /// Neither success nor a failure of the program.
    static let unopened = ExitCode(2)

    @OptionGroup var options: StoreOptions
    @OptionGroup var audit: AuditOption

    @Option(help: ArgumentHelp("Only print a file with a new key of this id.", valueName: "id"))
    var newKey: String?

    @Flag(help: "Decrypt every value.")
    var decrypt = false

    @Flag(help: "Also take values that are not encrypted where all should be.")
    var acceptPlaintext = false

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        if let newKey { return try printKey(newKey) }
        let store = try await options.read()
        try store.requireTarget()
        guard let keys = try await options.readKeys() else {
            throw StartError.usage("there are no keys; give --encryption-keys-file or --encryption-keys-command")
        }
        let aim = decrypt ? "decrypted" : "encrypted with the key '\(keys.all[0].id)'"
        try audit.write(.rekey, .begun, "\(store.description), to be \(aim)")
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "whole threads were rewritten; run the same command again to go on")
        defer { interruption.end() }
        defer { line.end() }
        let outcome: Outcome
        do {
            outcome = try await store.withBase { try await rekey($0, keys, line) }
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
        line.end()
        try audit.write(.rekey, outcome.failures.isEmpty ? .done : .failed, "\(store.description), \(aim)")
        if json {
            Output.json(outcome.json(of: store))
        } else {
            for failure in outcome.failures { Output.line(failure) }
            Output.line(outcome.summary(aim))
        }
        if !outcome.failures.isEmpty { throw Self.unopened }
    }

    private func printKey(_ id: String) throws(StartError) {
        do {
            Output.line(String(decoding: try EncryptionKeys.newFile(id: id).bytes, as: UTF8.self))
        } catch {
            throw .usage(error.description)
        }
    }

    private func rekey(
        _ store: any SealableStore,
        _ keys: EncryptionKeys,
        _ line: ProgressLine
    ) async throws -> Outcome {
        let rekeying = Rekeying(store, keys: keys, decrypt ? .open : .seal, acceptsPlaintext: acceptPlaintext)
        let result = try await rekeying.run { progress in
            line.show("\(progress.checked.grouped) threads read, \(progress.rewritten.grouped) rewritten in all")
        }
        return Outcome(
            rewritten: result.rewritten,
            failures: result.failed.map { thread, error in
                let owner = thread.tenant == .default ? "" : "tenant \(thread.tenant.name.text.quotedForOneLine), "
                return "\(owner)thread \(thread.id.text.quotedForOneLine): \(error.debugDescription)"
            }
        )
    }

    private struct Outcome {
        let rewritten: Int
        let failures: [String]

        func summary(_ state: String) -> String {
            let done = "\(rewritten.grouped) threads rewritten"
            return failures.isEmpty
                ? "\(done): all are \(state)"
                : "\(done), \(failures.count.grouped) COULD NOT BE OPENED: the others are \(state)"
        }

        func json(of store: StoreConfiguration) -> JSONValue {
            [
                "store": .string(JSONString(store.description)),
                "ok": .bool(failures.isEmpty),
                "rewritten": .number(JSONNumber(rewritten)),
                "failures": .array(failures.map { .string(JSONString($0)) }),
            ]
        }
    }
}
