import Authentication
import Checkpoints
import Hummingbird
import JSON

extension Endpoint {
    /// The threads that the caller may see, in pages.
    static func listThreads(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            .get,
            "/threads",
            scope: .read,
            operation: OpenAPIOperation(
                id: "list_threads_threads_get",
                summary: "List Threads",
                parameters: [
                    .query("limit", .schema("integer", title: "Limit", range: CheckpointQuery.limits, default: 100)),
                    .query("after", .schema("string", title: "Cursor of the next page, from the header x-next-cursor")),
                ],
                answer: .json(.reference(to: .threadListResponse)),
                namesThread: false,
                hasPages: true
            )
        ) { request, context in
            try await rules.access.require(.all, context.caller)
            let query = try ThreadsQuery(request)
            let found = try await store.threads(of: context.caller.tenant, after: query.after, limit: query.limit)
            let next = found.count < query.limit ? nil : found.last.map { Cursor(thread: $0.thread.id) }
            return Response(.json(.threads(found), next: next))
        }
    }

    static func getThread(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            .get,
            ThreadPath.template,
            scope: .read,
            operation: OpenAPIOperation(
                id: "get_thread_threads_thread_id_get",
                summary: "Get Thread",
                parameters: [.path("thread_id", .schema("string", title: "Thread ID"))],
                answer: .json(.reference(to: .threadResponse))
            )
        ) { request, context in
            guard let id = ThreadPath.id(in: request.head.path ?? "") else { return .noSuchThread }
            try await rules.access.require(.thread(id, .read), context.caller)
            guard let summary = try await store.summary(of: ThreadKey(id, tenant: context.caller.tenant)) else {
                return .noSuchThread
            }
            return Response(.json(.thread(summary)))
        }
    }
}

extension Response {
    static var noSuchThread: Response { .detail(.notFound, "No such thread") }
}

/// The query of `/threads`.
private struct ThreadsQuery {
    var limit = CheckpointQuery.defaultLimit
    var after: Identifier?

    init(_ request: Request) throws {
        var problems = Problems(in: "query")
        for (name, value) in request.uri.queryParameters {
            switch name {
            case "limit": readLimit(String(value), &problems)
            case "after":
                after = Cursor.thread(String(value))
                if after == nil { problems.add(.cursor, at: "after", input: .string(JSONString(String(value)))) }
            default: break
            }
        }
        guard problems.isEmpty else { throw ValidationError(problems: problems.found) }
    }

    private mutating func readLimit(_ text: String, _ problems: inout Problems) {
        do throws(Problem) {
            limit = try Coercion.integer(JSONString(text))
            try Coercion.require(limit, in: CheckpointQuery.limits)
        } catch {
            problems.add(error, at: "limit", input: .string(JSONString(text)))
        }
    }
}

extension JSONWriter {
    fileprivate static func threads(_ summaries: [ThreadSummary]) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{\"threads\":")
        writer.array(summaries) { writer, summary in
            writer.raw("{")
            writer.members(of: summary)
            writer.raw("}")
        }
        writer.raw("}")
        return writer
    }

    static func thread(_ summary: ThreadSummary) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{")
        writer.members(of: summary)
        writer.raw(",\"namespaces\":")
        writer.array(summary.namespaces) { writer, namespace in
            writer.raw("{\"checkpoint_ns\":")
            writer.string(namespace.namespace.text)
            writer.raw(",\"head\":")
            writer.optionalString(namespace.head?.id.text)
            writer.times(namespace.first?.time, namespace.head?.time)
            writer.counts(namespace.counts)
            writer.raw("}")
        }
        writer.raw("}")
        return writer
    }

    private mutating func members(of summary: ThreadSummary) {
        raw("\"thread_id\":")
        string(summary.thread.id.text)
        times(summary.created, summary.updated)
        counts(summary.counts)
    }

    private mutating func times(_ created: String?, _ updated: String?) {
        raw(",\"created\":")
        optionalString(created)
        raw(",\"updated\":")
        optionalString(updated)
    }
}
