import Foundation
import NIOCore
import NIOPosix

/// Sends the requests of a file over some connections and prints one JSON object with the latencies.
///
/// At a rate, requests are due at fixed times whatever the answers do: what waits for a free connection is late, and its
/// latency counts from when it was due. At rate 0 the next request leaves as soon as a connection is free.
@main
struct LoadGenerator {
    static func main() async throws {
        guard let options = Options(CommandLine.arguments.dropFirst()) else {
            FileHandle.standardError.write(Data(Options.usage.utf8))
            exit(64)
        }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let report = try await loop.flatSubmit { Run(options, on: loop).start() }.get()
        let output = try JSONSerialization.data(withJSONObject: report.json, options: .sortedKeys)
        FileHandle.standardOutput.write(output + Data("\n".utf8))
    }
}

/// What the command line asks for.
struct Options: Sendable {
    static let usage = """
        usage: LoadGenerator PORT FILE CONNECTIONS COUNT RATE WARM_UP
        A line of FILE is a path, a space and a body; @T@ in a body stands for a thread id and @C@ for a checkpoint id.
        At rate 0, one pass over the lines shares its ids: thread number 0, 1 and so on. Else they are each request's own.
        The first WARM_UP of the COUNT requests are not measured.

        """

    let port: Int
    let templates: [RequestTemplate]
    let connections: Int
    let count: Int
    let warmUp: Int
    /// Between two requests; nil for as fast as connections are free.
    let interval: Duration?

    init?(_ arguments: some Collection<String>) {
        let words = Array(arguments)
        let numbers = words.compactMap { Double($0) }
        guard words.count == 6, numbers.count == 5,
            let file = FileManager.default.contents(atPath: words[1]), !file.isEmpty
        else { return nil }
        port = Int(numbers[0])
        templates = file.split(separator: UInt8(ascii: "\n")).map { RequestTemplate(line: [UInt8]($0)) }
        connections = Int(numbers[1])
        count = Int(numbers[2])
        interval = numbers[3] > 0 ? .nanoseconds(Int64(1e9 / numbers[3])) : nil
        warmUp = Int(numbers[4])
    }
}

/// What came of it.
struct Report: Sendable {
    var statuses: [String: Int] = [:]
    /// Of each measured request.
    var latencies: [Duration] = []
    var seconds = 0.0

    var json: [String: Any] {
        let sorted = latencies.sorted()
        func microseconds(_ share: Double) -> Double {
            let index = min(sorted.count - 1, Int(Double(sorted.count) * share))
            return index < 0 ? 0 : (sorted[index] / .nanoseconds(100)).rounded() / 10
        }
        return [
            "requests": sorted.count, "seconds": seconds, "statuses": statuses,
            "p50_us": microseconds(0.5), "p90_us": microseconds(0.9), "p99_us": microseconds(0.99),
            "p999_us": microseconds(0.999), "max_us": microseconds(1),
        ]
    }
}
