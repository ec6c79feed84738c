import Authentication
import Checkpoints
import Hummingbird
import JSON

/// The body that says how long a thread is kept: all of it is set anew.
struct RetentionBody: Sendable {
    var settings = ThreadSettings()
    /// In the order they came.
    var pins: [RequestedPin] = []

    static let schema = ObjectSchema(
        "RetentionRequest",
        empty: RetentionBody(),
        fields: [
            .nullableInteger(
                "ttl",
                "Seconds without a change after which the thread is deleted",
                range: 1...ThreadSettings.longestTimeToLive
            ) { $0.settings.timeToLive = $1 },
            .pins("pin", "Checkpoints that stay until the thread is deleted") { body, pins in
                body.pins = pins
                body.settings.pins = Set(pins.map(\.place))
            },
            .boolean("hold", "Nothing of the thread is deleted by anybody", default: false) {
                $0.settings.isHeld = $1
            },
        ]
    )
}

/// An element of `pin`.
struct RequestedPin: Sendable {
    let place: CheckpointPlace
    /// Whether it came as an object, and not as an id alone.
    let isObject: Bool
}

/// A checkpoint of a thread that is named elsewhere.
private struct PinBody: Sendable {
    var namespace: Identifier = ""
    var id: Identifier = ""

    static let schema = ObjectSchema(
        "Pin",
        empty: PinBody(),
        fields: [
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .identifier("checkpoint_id", "Checkpoint ID") { $0.id = $1 },
        ]
    )
}

extension Field {
    /// Checkpoints, each as an object, or as an id of the root graph; missing and null are none.
    fileprivate static func pins(
        _ name: String,
        _ title: String,
        store: @escaping @Sendable (inout Body, [RequestedPin]) -> Void
    ) -> Field {
        let element: JSONValue = ["anyOf": [["type": "string"], .reference(to: PinBody.schema.name)]]
        let list: JSONValue = ["items": element, "type": "array"]
        return Field(
            name: name,
            isRequired: false,
            shape: .array(PinBody.schema.shape),
            carriesBlobs: false,
            description: .nullable(list, title: title),
            part: PinBody.schema.description,
            read: { node, document, body, problems in
                if node.kind == .null { return }
                guard node.kind == .array else {
                    return problems.add(.list, at: name, input: Problems.input(node, in: document))
                }
                guard node.elementCount <= ThreadSettings.mostPins else {
                    return problems.add(.tooLong(limit: ThreadSettings.mostPins, count: node.elementCount), at: name)
                }
                var pins: [RequestedPin] = []
                document.forEachElement(of: node) { index, element in
                    problems.element = (name, index)
                    if element.kind == .string {
                        do throws(Problem) {
                            let id = Identifier(try document.requireString(element))
                            pins.append(RequestedPin(place: CheckpointPlace(namespace: "", id: id), isObject: false))
                        } catch {
                            problems.add(error, input: Problems.input(element, in: document))
                        }
                    } else if let pin = PinBody.schema.read(element, in: document, &problems) {
                        let place = CheckpointPlace(namespace: pin.namespace, id: pin.id)
                        pins.append(RequestedPin(place: place, isObject: true))
                    }
                }
                problems.element = nil
                store(&body, pins)
            }
        )
    }
}

extension Endpoint {
    private static let retentionPath = ThreadPath.template(of: "retention")

    static func getRetention(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            .get,
            retentionPath,
            scope: .read,
            operation: OpenAPIOperation(
                id: "get_retention_threads_thread_id_retention_get",
                summary: "Get Retention",
                parameters: [.path("thread_id", .schema("string", title: "Thread ID"))],
                answer: .json(.reference(to: .retentionResponse))
            )
        ) { request, context in
            guard let id = ThreadPath.id(in: request.head.path ?? "") else { return .noSuchThread }
            try await rules.access.require(.thread(id, .read), context.caller)
            guard let settings = try await store.settings(of: ThreadKey(id, tenant: context.caller.tenant)) else {
                return .noSuchThread
            }
            return Response(.json(.retention(settings, of: id)))
        }
    }

    static func setRetention(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            .put,
            retentionPath,
            scope: .delete,
            operation: OpenAPIOperation(
                id: "set_retention_threads_thread_id_retention_put",
                summary: "Set Retention",
                request: RetentionBody.schema.description,
                parameters: [.path("thread_id", .schema("string", title: "Thread ID"))],
                answer: .json(.reference(to: .retentionResponse))
            ),
            reading: { request, context, reservation in
                guard let id = ThreadPath.id(in: request.head.path ?? "") else { return .noSuchThread }
                let use = ThreadUse.thread(id, .delete)
                try await rules.access.require(use, context.caller)
                let bytes = try await RetentionBody.schema.collect(
                    request, upTo: rules.limits.bodyBytes, counting: &reservation)
                let body = try RetentionBody.schema.read(bytes, of: request)
                let thread = ThreadKey(id, tenant: context.caller.tenant)
                return try await rules.access.audited(.setRetention, use, request, context) {
                    switch try await store.set(body.settings, for: thread) {
                    case .done: return Response(.json(.retention(body.settings, of: id)))
                    case .noThread: return .noSuchThread
                    case .noCheckpoint(let place): throw ValidationError(noCheckpoint: place, of: body)
                    }
                }
            }
        )
    }
}

extension ValidationError {
    fileprivate init(noCheckpoint place: CheckpointPlace, of body: RetentionBody) {
        var problems = Problems()
        let index = body.pins.firstIndex { $0.place == place } ?? 0
        problems.element = ("pin", index)
        let field = body.pins[index].isObject ? "checkpoint_id" : nil
        problems.add(.noCheckpoint, at: field, input: .string(JSONString(place.id.text)))
        self.init(problems: problems.found)
    }
}

extension JSONWriter {
    fileprivate static func retention(_ settings: ThreadSettings, of id: Identifier) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{\"thread_id\":")
        writer.string(id.text)
        writer.raw(",\"ttl\":")
        if let seconds = settings.timeToLive { writer.integer(seconds) } else { writer.raw("null") }
        writer.raw(",\"pin\":")
        writer.array(settings.pins.sorted()) { writer, pin in
            writer.raw("{\"checkpoint_ns\":")
            writer.string(pin.namespace.text)
            writer.raw(",\"checkpoint_id\":")
            writer.string(pin.id.text)
            writer.raw("}")
        }
        writer.raw(",\"hold\":")
        writer.bool(settings.isHeld)
        writer.raw("}")
        return writer
    }
}
