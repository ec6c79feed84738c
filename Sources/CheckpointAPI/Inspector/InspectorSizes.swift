import Authentication
import Checkpoints
import JSON

/// The body of the inspector's sizes.
struct InspectorSizesBody: Sendable {
    var threadID: Identifier = ""

    static let schema = ObjectSchema(
        "InspectorSizesRequest",
        empty: InspectorSizesBody(),
        fields: [.identifier("thread_id", "Thread ID") { $0.threadID = $1 }]
    )
}

extension Endpoint {
    /// What takes a thread's bytes; null when there is no such thread.
    ///
    /// Two looks, at the rows and at the documents: what is put between them has no place in the first, and what goes has
    /// no time.
    static func inspectorSizes(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/inspector/sizes",
            scope: .read,
            operation: OpenAPIOperation(
                id: "inspector_sizes_inspector_sizes_post",
                summary: "Inspector Sizes",
                request: InspectorSizesBody.schema.description,
                answer: .json(.nullable(.reference(to: .inspectorSizes)))
            ),
            body: InspectorSizesBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) }
        ) { body, principal in
            let thread = ThreadKey(body.threadID, tenant: principal.tenant)
            guard let sizes = try await store.sizes(of: thread) else { return .json(.null) }
            var writer = JSONWriter()
            writer.report(SizeReport(sizes, try await NamedVersions(of: thread, in: store)))
            return .json(writer)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func report(_ report: SizeReport) {
        raw("{\"total\":{")
        size(report.total)
        raw("},\"documents\":")
        rows(report.documents)
        raw(",\"writes\":")
        rows(report.writes)
        raw(",\"channels\":")
        array(report.channels) { writer, found in
            writer.raw("{\"checkpoint_ns\":")
            writer.string(found.channel.namespace.text)
            writer.raw(",\"channel\":")
            writer.string(found.channel.name.text)
            writer.raw(",\"versions\":")
            writer.integer(found.versions.count)
            writer.raw(",")
            writer.size(found.versions.size)
            writer.raw("}")
        }
        raw(",\"points\":")
        let numbers = Dictionary(uniqueKeysWithValues: report.channels.enumerated().map { ($1.channel, $0) })
        array(report.points) { writer, point in
            writer.raw("{\"checkpoint_id\":")
            writer.string(point.id.text)
            writer.raw(",\"ts\":")
            writer.optionalString(point.time)
            writer.raw(",")
            writer.size(point.size)
            writer.raw(",\"channels\":")
            let channels = point.channels.compactMap { channel, size in
                numbers[channel].map { (number: $0, size: size) }
            }
            writer.array(channels.sorted { $0.number < $1.number }) { writer, found in
                writer.array([found.number, found.size.logical, found.size.stored]) { $0.integer($1) }
            }
            writer.raw("}")
        }
        raw("}")
    }

    private mutating func rows(_ rows: ThreadSizes.Rows) {
        raw("{\"count\":")
        integer(rows.count)
        raw(",")
        size(rows.size)
        raw("}")
    }

    /// Two members.
    private mutating func size(_ size: ThreadSizes.Size) {
        raw("\"logical\":")
        integer(size.logical)
        raw(",\"stored\":")
        integer(size.stored)
    }
}
