import ArgumentParser
import Authentication
import CheckpointAPI
import Checkpoints
import Glibc
import SQLiteStorage
import Transfer

/// `milepost export`: writes all threads of a store to a file that `milepost import` reads.
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write threads of a store to a file.",
        discussion: """
            Writes compressed JSON lines, thread by thread, with a digest for each; 'zstdcat FILE | jq' shows them. \
            Changes nothing, and may run while a server has the store open: each thread is as it was at one moment. \
            The store may also be a file that LangGraph's SqliteSaver made, or a database of its PostgresSaver.

            What is encrypted in the store is not in the export.

            An export to --output that was ended goes on where it was: run the same command again.

            A damaged thread is left out, and named; all others are whole in the export.

            Exit codes: 0 the export is whole, 2 it is whole but for damaged threads, 1 not whole, 64 wrong usage.

            EXAMPLES
              milepost export > agents.jsonl.zst
                  ./milepost.db
              milepost export --store sqlite:langgraph.sqlite | milepost import --store sqlite:milepost.db
                  from LangGraph's SqliteSaver to Milepost
              milepost export --store sqlite:backup.db --thread support-42 --output one.jsonl.zst
                  one thread, to bring it back
            """
    )

    @OptionGroup var options: StoreOptions
    @OptionGroup var audit: AuditOption

    @Option(help: ArgumentHelp("The file to write, or to go on with (default: standard output).", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Only the threads of this tenant.", valueName: "name"))
    var tenant: String?

    @Option(help: ArgumentHelp("Only this thread, of the default tenant or of --tenant.", valueName: "id"))
    var thread: String?

    func run() async throws {
        let store = try await options.read()
        if output == nil, isatty(STDOUT_FILENO) == 1 {
            throw StartError.usage("an export is not for a terminal; give --output FILE, or use '>' or '|'")
        }
        try audit.write(.export, .begun, "of \(store.description)")
        let line = ProgressLine(.standardError())
        let interruption = Interruption(
            line,
            output.map { "\($0) has whole threads; run the same command again to go on" }
                ?? "what was written is no whole export; export again"
        )
        defer { interruption.end() }
        defer { line.end() }
        do {
            let keys = try await options.readKeys()
            try await store.withSource(keys: keys) { source in
                let file =
                    try output.map { path throws(TransferError) in try FileStream.output(path: path) }
                    ?? .standardOutput
                let resumed = try Self.resume(file, isNamed: output != nil, store)
                let writer = ExportWriter(continuing: resumed?.counts ?? TransferCounts(), file.output)
                if resumed == nil { try writer.begin(store: store.description, program: Version.current) }
                // What LangGraph's own file has and cannot be converted is not damage.
                let export = ThreadExport(
                    of: source, to: writer, leavesOutDamaged: !(source is LangGraphFile), where: isWanted)
                let count = line.isDrawn ? max(try await export.threadCount(), 1) : nil
                let damaged = try await export.run(after: resumed?.last) { done in
                    line.show(done.line, fraction: count.map { Double(done.threads) / Double($0) })
                }
                if file.regularSize != nil { try file.flush() }
                line.end()
                if let thread, writer.counts.threads == 0, damaged.isEmpty {
                    throw StartError.machine(
                        "\(store.description) has no thread \(thread.quotedForOneLine); check the id, and --tenant")
                }
                let leftOut = damaged.isEmpty ? "" : ", without \(damaged.count) that are damaged"
                try audit.write(.export, .done, "\(writer.counts.threads) threads of \(store.description)\(leftOut)")
                let before = resumed.map { ", \($0.counts.threads.grouped) of them before" } ?? ""
                Output.note("exported \(writer.counts.line)\(before)")
                for damaged in damaged { Output.note("left out: \(damaged.line)") }
                if !damaged.isEmpty { throw Verify.damaged }
            }
        } catch let error as TransferError {
            throw StartError.machine(error.description)
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
    }

    private var isWanted: @Sendable (ThreadKey) -> Bool {
        let tenant = tenant.map { Tenant(name: Identifier($0)) }
        guard let thread else { return { key in tenant.map { $0 == key.tenant } ?? true } }
        let wanted = ThreadKey(Identifier(thread), tenant: tenant ?? .default)
        return { $0 == wanted }
    }

    /// Where a file that has something in it is gone on with.
    private static func resume(
        _ file: borrowing FileStream,
        isNamed: Bool,
        _ store: StoreConfiguration
    ) throws -> ExportReader.Boundary? {
        guard isNamed, let size = file.regularSize, size > 0 else { return nil }
        return try file.resume(from: store.description)
    }
}

extension ThreadExport.Damaged {
    fileprivate var line: String {
        let owner = thread.tenant == .default ? "" : "tenant \(thread.tenant.name.text.quotedForOneLine), "
        return "\(owner)thread \(thread.id.text.quotedForOneLine): \(error.debugDescription)"
    }
}

extension TransferCounts {
    /// Fits a terminal of 80 columns.
    var line: String {
        "\(threads.grouped) threads, \(rows.grouped) rows, \((bytes / 1_000).grouped) kB"
    }
}
