import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore
import NIOEmbedded
import Observability

/// Does one piece of work over and over, for scripts/instruction-counts to count what it costs.
///
/// The difference between two counts of repetitions leaves out everything that happens once.
@main
struct InstructionCounts {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 2, let count = arguments.last.flatMap({ Int($0) }) else {
            fatalError("usage: InstructionCounts parse|put-writes COUNT")
        }
        switch arguments.first {
        case "parse": try parse(count)
        case "put-writes": DrainedExecutor().run { await putWrites(count) }
        default: fatalError("there is no such piece of work")
        }
    }

    /// Reads the body as its schema does, and decodes its blob.
    private static func parse(_ count: Int) throws {
        let body = [UInt8](body.utf8)
        for _ in 0..<count {
            try body.withUnsafeBytes { bytes in
                let document = try JSONDocument(parsing: bytes, shape: shape)
                document.forEachElement(of: document.member(3, of: document.root)) { _, write in
                    precondition(document.base64(of: document.member(4, of: write))?.count == 256)
                }
            }
        }
    }

    /// Sends the request through everything between the socket and the store; the store is the one in memory.
    private static func putWrites(_ count: Int) async {
        let logger = Logger(label: "instruction-counts") { _ in SwiftLogNoOpLogHandler() }
        // As a server is without further options.
        let observation = Observation(metrics: ServerMetrics(version: "0"), slowCall: .seconds(1))
        let responder = buildInterface(store: MemoryStore(), observation: observation, logger: logger).responder
        let channel = NIOAsyncTestingChannel()
        let body = ByteBuffer(string: body)
        let head = HTTPRequest(
            method: .post,
            scheme: "http",
            authority: "localhost",
            path: "/checkpoints/put-writes",
            headerFields: [.contentType: "application/json", .contentLength: String(body.readableBytes)]
        )
        for _ in 0..<count {
            let context = APIContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            let request = Request(head: head, body: RequestBody(buffer: body))
            let response = try? await responder.respond(to: request, context: context)
            precondition(response?.status == .noContent, "put-writes answers 204")
        }
    }

    /// The shape of the body of put-writes; its schema is not visible here.
    private static let shape = JSONShape.object(
        JSONFields([
            ("thread_id", .value), ("checkpoint_ns", .value), ("checkpoint_id", .value),
            ("writes", .array(.object(write))), ("upsert", .value),
        ])
    )

    private static let write = JSONFields([
        ("task_id", .value), ("idx", .number), ("channel", .value), ("type", .value), ("blob", .value),
        ("task_path", .value),
    ])

    /// One write of 256 bytes.
    private static let body = """
        {"thread_id":"5f0d3f6e-3f0b-4b52-9a53-0f5a3c1d2e4b","checkpoint_ns":"",\
        "checkpoint_id":"1f0a2b3c-4d5e-6f70-8123-456789abcdef","writes":[\
        {"task_id":"0d8a6d7e-57a1-0f0e-6f3c-9b6a4c5d2e1f","idx":0,"channel":"messages","type":"msgpack",\
        "blob":"\(String(repeating: "bWlsZXBvc3Qg", count: 28))bWlsZQ==","task_path":"~__pregel_pull, agent"}],\
        "upsert":false}
        """
}
