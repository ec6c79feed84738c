import CheckpointAPI
import HTTPTypes
import JSON
import Synchronization
import Testing

/// What calls answer in common, stated here once more.
enum SharedAnswers {
    /// By status: name, schemas, and the header that may come with it.
    static let all: [(status: String, name: String, schemas: [String], header: String?)] = [
        ("401", "Unauthorized", ["Refusal", "Failure"], "www-authenticate"),
        ("403", "Forbidden", ["Refusal", "Failure"], nil),
        ("404", "NotFound", ["Refusal", "Failure"], nil),
        ("413", "BodyTooLarge", ["Refusal"], nil),
        ("415", "ContentEncoding", ["Refusal"], nil),
        ("429", "TooManyRequests", ["Refusal"], "retry-after"),
        ("500", "InternalServerError", ["Failure"], nil),
        ("501", "TransferEncoding", ["Refusal"], nil),
        ("502", "BadGateway", ["Failure"], nil),
        ("503", "Unavailable", ["Refusal", "Failure"], "retry-after"),
    ]

    /// As members of a call's `responses`.
    static func references(_ statuses: String...) -> String {
        statuses.map { status in
            let name = all.first { $0.status == status }?.name ?? ""
            return ##""\##(status)":{"$ref":"#/components/responses/\##(name)"}"##
        }.joined(separator: ",")
    }
}

/// The document of an open server.
func servedDocument() async throws -> JSONValue {
    let served = Mutex("")
    try await APIClient.run { client in
        let answer = try await client.send(.get, "/openapi.json")
        #expect(answer.status == 200)
        served.withLock { $0 = answer.body }
    }
    return try JSONValue(parsing: Array(served.withLock { $0 }.utf8))
}

/// Records an issue, and is null, for what is no JSON.
func parsed(_ text: String) -> JSONValue {
    do {
        return try JSONValue(parsing: Array(text.utf8))
    } catch {
        Issue.record("not JSON: \(text): \(error)")
        return .null
    }
}

@Suite("The OpenAPI document's answers", .timeLimit(.minutes(5)))
struct OpenAPIAnswerTests {
    @Test("each answer that calls have in common stands once, with its schema and header")
    func sharedResponses() async throws {
        let document = try await servedDocument()
        guard case .object(let all)? = document["components"]?["responses"] else {
            Issue.record("there are no responses")
            return
        }
        #expect(all.compactMap(\.name.string) == SharedAnswers.all.map(\.name))
        for response in SharedAnswers.all {
            let found = document["components"]?["responses"]?[response.name]
            let references = response.schemas.map { ##"{"$ref":"#/components/schemas/\##($0)"}"## }
            let schema =
                references.count == 1 ? references[0] : "{\"anyOf\":[\(references.joined(separator: ","))]}"
            #expect(found?["content"] == parsed(#"{"application/json":{"schema":\#(schema)}}"#), "\(response.name)")
            var headers: [String] = []
            if case .object(let described)? = found?["headers"] { headers = described.compactMap(\.name.string) }
            #expect(headers == [response.header].compactMap { $0 }, "\(response.name)")
        }
        let withoutThread = ["/threads", "/checkpoints/delete-for-runs", "/inspector/caller"]
        guard case .object(let paths)? = document["paths"] else {
            Issue.record("there are no paths")
            return
        }
        for path in paths {
            guard case .object(let operations) = path.value else { continue }
            for operation in operations {
                let answers = operation.value["responses"]
                #expect((answers?["404"] == nil) == withoutThread.contains(path.name.string ?? ""), "\(path.name)")
                #expect((answers?["413"] == nil) == (operation.name == "get"), "\(path.name)")
            }
        }
    }

    @Test("an open server takes any credential and none, another one of them")
    func security() async throws {
        let ways = #"{"bearer":[]},{"apiKey":[]},{"agentApiKey":[]},{"clientCertificate":[]}"#
        let document = try await servedDocument()
        #expect(document["security"] == parsed("[{},\(ways)]"))
        #expect(OpenAPIDocument.render([], isOpen: false)["security"] == parsed("[\(ways)]"))
        guard case .object(let schemes)? = document["components"]?["securitySchemes"] else {
            Issue.record("there are no security schemes")
            return
        }
        #expect(schemes.compactMap(\.name.string) == ["bearer", "apiKey", "agentApiKey", "clientCertificate"])
    }
}
