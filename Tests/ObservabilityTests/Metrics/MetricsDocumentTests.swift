import Foundation
import JSON
import Observability
import Testing

/// docs/metrics.md, the dashboard and the alerts say what there is.
@Suite("What is written about metrics")
struct MetricsDocumentTests {
    private func text(_ path: String) throws -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/metrics.md has a row for each metric, with its type and labels, and no other")
    func document() throws {
        var rows: [String: String] = [:]
        for line in try text("docs/metrics.md").split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard cells.count > 5 else { continue }  // not a table of metrics
            let name = cells[1].filter { $0 != "`" }
            #expect(rows[name] == nil, "\(name) has two rows")
            rows[name] = "\(cells[2]) \(cells[3].filter { $0 != "`" })"
            let stores = cells[4].split(separator: ", ").map(String.init)
            #expect(!stores.isEmpty && Set(stores).isSubset(of: ["all", "sqlite", "postgres"]), "\(name)")
        }
        let known = MetricNames.all.map { ($0.name, "\($0.kind.word) \($0.labels.joined(separator: ", "))") }
        #expect(rows == Dictionary(uniqueKeysWithValues: known))
    }

    /// The names that a text has, without what a histogram appends to its own.
    private func names(in text: String) -> Set<String> {
        let known = Set(MetricNames.all.map(\.name))
        let found = text.matches(of: /\b(milepost|process)_[a-z_]+/).map { String($0.output.0) }
        return Set(
            found.map { name in
                if known.contains(name) { return name }
                let suffix = ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) } ?? ""
                return String(name.dropLast(suffix.count))
            }
        )
    }

    @Test("The dashboard shows metrics that exist, and all of them")
    func dashboard() throws {
        let text = try text("deploy/grafana/milepost.json")
        _ = try JSONValue(parsing: Array(text.utf8))
        #expect(names(in: text) == Set(MetricNames.all.map(\.name)))
    }

    @Test("The alerts are about metrics that exist")
    func alerts() throws {
        let used = names(in: try text("deploy/prometheus/alerts.yaml"))
        #expect(used.count > 8)
        #expect(used.subtracting(MetricNames.all.map(\.name)) == [])
    }

    @Test("A name is made of what Prometheus takes, and says its unit")
    func style() {
        #expect(Set(MetricNames.all.map(\.name)).count == MetricNames.all.count)
        for metric in MetricNames.all {
            #expect(metric.name.wholeMatch(of: /(milepost|process)_[a-z_]+/) != nil, "\(metric.name)")
            #expect((metric.kind == .counter) == metric.name.hasSuffix("_total"), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            guard case .histogram(let bounds) = metric.kind else { continue }
            #expect(zip(bounds, bounds.dropFirst()).allSatisfy(<), "\(metric.name)")
        }
    }
}
