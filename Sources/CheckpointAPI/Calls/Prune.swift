import Authentication
import Checkpoints
import JSON

/// The body of prune.
struct PruneBody: Sendable {
    var threadIDs: [Identifier] = []
    var strategy = Self.keepLatest
    var keepLast = 1
    var isDryRun = false

    private static let keepLatest = "keep_latest"

    static let schema = ObjectSchema(
        "PruneRequest",
        empty: PruneBody(),
        fields: [
            .identifiers("thread_ids", "Thread IDs") { $0.threadIDs = $1 },
            .choice("strategy", "What stays", among: [keepLatest, "delete"], default: keepLatest) { $0.strategy = $1 },
            .integer(
                "keep_last",
                "How many checkpoints of each namespace keep_latest keeps",
                range: 1...Int(Int32.max),
                isDocumented: true,
                default: 1
            ) { $0.keepLast = $1 },
            .boolean("dry_run", "Only say what would go", default: false) { $0.isDryRun = $1 },
        ]
    )

    fileprivate var storeStrategy: PruneStrategy {
        strategy == Self.keepLatest ? .keepLatest(keepLast) : .delete
    }
}

extension Endpoint {
    /// A thread after the other, each once.
    static func prune(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/prune",
            scope: .delete,
            operation: OpenAPIOperation(
                id: "prune_checkpoints_prune_post",
                summary: "Prune",
                request: PruneBody.schema.description,
                answer: .json(.reference(to: .pruneResponse))
            ),
            body: PruneBody.schema,
            rules: rules,
            uses: { .threads($0.threadIDs.map { ($0, .delete) }) },
            audits: { $0.isDryRun ? nil : .prune }
        ) { body, principal in
            var reports: [PruneReport] = []
            var seen: Set<Identifier> = []
            for id in body.threadIDs where seen.insert(id).inserted {
                let thread = ThreadKey(id, tenant: principal.tenant)
                reports.append(try await store.prune(thread, body.storeStrategy, isDryRun: body.isDryRun))
            }
            return .json(.prune(reports, isDryRun: body.isDryRun))
        }
    }
}

extension JSONWriter {
    fileprivate static func prune(_ reports: [PruneReport], isDryRun: Bool) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{\"dry_run\":")
        writer.bool(isDryRun)
        writer.counts(reports.reduce(into: RowCounts()) { $0 += $1.removed })
        writer.raw(",\"threads\":")
        writer.array(reports) { writer, report in
            writer.raw("{\"thread_id\":")
            writer.string(report.thread.id.text)
            writer.counts(report.removed)
            writer.raw(",\"kept\":")
            writer.integer(report.kept)
            writer.raw(",\"held\":")
            writer.bool(report.isHeld)
            writer.raw("}")
        }
        writer.raw("}")
        return writer
    }

    /// Members after others.
    mutating func counts(_ counts: RowCounts) {
        raw(",\"checkpoints\":")
        integer(counts.checkpoints)
        raw(",\"writes\":")
        integer(counts.writes)
        raw(",\"blobs\":")
        integer(counts.blobs)
        raw(",\"bytes\":")
        integer(counts.bytes)
    }
}
