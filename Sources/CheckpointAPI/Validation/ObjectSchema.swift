import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// What a JSON object of a request looks like, said once: it tells the parser what to record, checks what came,
/// fills a `Body`, and describes itself for the OpenAPI document.
struct ObjectSchema<Body: Sendable>: Sendable {
    /// Its name among the document's schemas.
    let name: String
    /// A body before any field was read: the defaults of optional fields.
    let empty: Body
    let fields: [Field<Body>]
    let shape: JSONShape
    /// Whether a value of it may contain a blob; those are never repeated in an answer.
    let carriesBlobs: Bool
    private let check: @Sendable (Body, inout Problems) -> Void

    /// `check` runs once every field is right, for rules that span fields.
    init(
        _ name: String,
        empty: Body,
        fields: [Field<Body>],
        check: @escaping @Sendable (Body, inout Problems) -> Void = { _, _ in }
    ) {
        self.name = name
        self.empty = empty
        self.fields = fields
        self.shape = .object(JSONFields(fields.map { (name: $0.name, shape: $0.shape) }))
        self.carriesBlobs = fields.contains(where: \.carriesBlobs)
        self.check = check
    }

    /// Reads the body of `request`, which `collect` has collected.
    ///
    /// Throws `ValidationError` with every problem.
    func read(_ body: ByteBuffer, of request: Request) throws -> Body {
        guard body.readableBytes == 0 || Self.isJSON(request.headers.value(of: .contentType)) else {
            throw ValidationError(problems: [.model])
        }
        return try body.withUnsafeReadableBytes { bytes in
            try read(bytes)
        }
    }

    /// The same for bytes at hand.
    func read(_ bytes: UnsafeRawBufferPointer) throws -> Body {
        let document: JSONDocument
        do {
            document = try JSONDocument(parsing: bytes, shape: shape, limits: .request)
        } catch {
            throw ValidationError(problems: [.json(error)])
        }
        var problems = Problems()
        let body = read(document.root, in: document, &problems)
        if let body, problems.isEmpty {
            check(body, &problems)
        }
        guard let body, problems.isEmpty else {
            throw ValidationError(problems: problems.found)
        }
        return body
    }

    /// Nil when `node` is no object; otherwise a body that is whole only if no problem was found.
    func read(_ node: JSONNode, in document: JSONDocument, _ problems: inout Problems) -> Body? {
        guard node.kind == .object else {
            let mayRepeat = node.kind != .array || !carriesBlobs
            problems.add(.model, input: mayRepeat ? Problems.input(node, in: document) : nil)
            return nil
        }
        var body = empty
        for (index, field) in fields.enumerated() {
            let value = document.member(index, of: node)
            if let waiver = field.waiver, value.kind == .missing || value.kind == .null,
                isTrue(waiver, of: node, in: document)
            {
                continue
            }
            if value.kind != .missing {
                field.read(value, document, &body, &problems)
            } else if field.isRequired {
                problems.add(
                    .missing,
                    at: field.name,
                    input: carriesBlobs ? nil : Problems.input(node, in: document)
                )
            }
        }
        return body
    }

    /// Whether a boolean field is there and true.
    private func isTrue(_ name: String, of node: JSONNode, in document: JSONDocument) -> Bool {
        guard let index = fields.firstIndex(where: { $0.name == name }) else { return false }
        // What is no boolean is reported where it stands.
        return (try? Coercion.boolean(document.member(index, of: node), in: document)) ?? false
    }

    /// The body of `request`, at most `limit` bytes of it.
    ///
    /// One of announced length is counted before any of it is read, another as it arrives. Throws `APIError` for a body
    /// that is too large or does not fit now.
    func collect(
        _ request: Request,
        upTo limit: Int,
        counting reservation: inout BodyReservation
    ) async throws -> ByteBuffer {
        let length = request.headers.value(of: .contentLength).flatMap { Int($0) } ?? 0
        guard length <= limit else { throw APIError.bodyTooLarge(limit: limit) }
        try reservation.require(length)
        var body = ByteBuffer()
        for try await var part in request.body {
            let total = body.readableBytes + part.readableBytes
            guard total <= limit else { throw APIError.bodyTooLarge(limit: limit) }
            try reservation.require(total)
            if body.readableBytes == 0, total >= length {
                swap(&body, &part)
            } else {
                body.reserveCapacity(length)  // the first time; nothing is copied to make room
                body.writeBuffer(&part)
            }
        }
        return body
    }

    /// `application/json` or `application/…+json`, whatever its parameters.
    private static func isJSON(_ contentType: String?) -> Bool {
        guard let contentType else { return false }
        if contentType == "application/json" { return true }
        let essence = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        return essence == "application/json" || (essence.hasPrefix("application/") && essence.hasSuffix("+json"))
    }
}

extension ValidationProblem {
    /// The body is not JSON, or no object.
    fileprivate static var model: ValidationProblem {
        ValidationProblem(type: Problem.model.type, message: Problem.model.message, location: [])
    }

    fileprivate static func json(_ error: JSONError) -> ValidationProblem {
        let problem = Problem.json(error.reason)
        return ValidationProblem(
            type: problem.type,
            message: problem.message,
            location: [.index(error.characterOffset)],
            input: [:],
            context: problem.context
        )
    }
}
