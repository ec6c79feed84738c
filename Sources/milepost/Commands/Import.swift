import ArgumentParser
import Checkpoints
import Glibc
import JSON
import Transfer

/// `milepost import`: reads what `milepost export` wrote into a store.
struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read an exported file into a store.",
        discussion: """
            Adds the threads of an export to the store, which is made when it is not there, then reads each thread back \
            and compares it with the export. What the store has already stays; a thread that it has in full is passed \
            over, so an import that was ended goes on when it is run again. No server may have an SQLite store open meanwhile.

            Exit codes: 0 every thread of the export is in the store, 2 some are there and differ, 1 the export or the \
            store could not be read or written to the end, 64 wrong usage.

            EXAMPLES
              milepost import < agents.jsonl.zst
                  into ./milepost.db
              milepost import --store sqlite:/var/lib/milepost/agents.db --input agents.jsonl.zst --json
                  another store; one JSON object says what was done
            """
    )

    /// Neither success nor a failure of the program.
    static let different = ExitCode(2)

    @OptionGroup var options: StoreOptions

    @Option(help: ArgumentHelp("The export to read (default: standard input).", valueName: "file"))
    var input: String?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let store = try await options.read()
        try store.requireTarget()
        let keys = try await options.readKeys()
        if input == nil, isatty(STDIN_FILENO) == 1 {
            throw StartError.usage("an export is not read from a terminal; give --input FILE, or use '<' or '|'")
        }
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "whole threads were imported; run the same command again to go on")
        defer { interruption.end() }
        defer { line.end() }
        do {
            let file =
                try input.map { path throws(TransferError) in try FileStream.input(path: path) }
                ?? .standardInput
            let size = file.regularSize
            let reader = ExportReader(file.input)
            try reader.begin()
            try await store.withTarget(keys: keys) { target in
                let result = await ThreadImport(into: target).run(reader) { counts in
                    line.show(counts.line, fraction: counts.share(of: size))
                }
                line.end()
                try report(result, reader.counts, store)
            }
        } catch let error as TransferError {
            throw StartError.machine(error.description)
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
    }

    private func report(
        _ result: ThreadImport.Result,
        _ read: TransferCounts,
        _ store: StoreConfiguration
    ) throws {
        if let failure = result.failure {
            throw StartError.machine("\(failure.problem), after \(result.threads.grouped) threads; \(failure.hint)")
        }
        if json {
            Output.json(result.json(of: store, read))
        } else {
            for thread in result.different {
                Output.line("different: \(thread.line)")
            }
            Output.line(result.summary)
        }
        if !result.different.isEmpty { throw Self.different }
    }
}

extension ThreadImport.Result {
    var summary: String {
        let outcome = different.isEmpty ? "" : ", \(different.count.grouped) DIFFERENT in the store"
        return "imported \(imported.grouped) threads (\(rowsAdded.grouped) rows), "
            + "\(alreadyThere.grouped) already there\(outcome)"
    }

    /// What docs/export.md documents.
    func json(of store: StoreConfiguration, _ read: TransferCounts) -> JSONValue {
        [
            "store": .string(JSONString(store.description)),
            "ok": .bool(different.isEmpty),
            "threads": .number(JSONNumber(read.threads)),
            "rows": .number(JSONNumber(read.rows)),
            "imported": .number(JSONNumber(imported)),
            "already_there": .number(JSONNumber(alreadyThere)),
            "rows_added": .number(JSONNumber(rowsAdded)),
            "different": .array(
                different.map { thread in
                    [
                        "tenant": .string(JSONString(thread.tenant.name.text)),
                        "thread_id": .string(JSONString(thread.id.text)),
                    ]
                }
            ),
        ]
    }
}

extension ThreadKey {
    /// The default tenant goes without saying.
    fileprivate var line: String {
        let owner = tenant == .default ? "" : "tenant \(tenant.name.text.quotedForOneLine), "
        return owner + "thread \(id.text.quotedForOneLine)"
    }
}

extension TransferCounts {
    /// The part of a file that was read, when its size is known.
    fileprivate func share(of size: Int?) -> Double? {
        guard let size, size > 0 else { return nil }
        return min(Double(bytes) / Double(size), 1)
    }
}
