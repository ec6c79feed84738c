/// The text format in which Prometheus reads metrics, version 0.0.4.
///
/// https://prometheus.io/docs/instrumenting/exposition_formats/
package enum PrometheusText {
    /// The `content-type` of the page.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// All series of the registry: names in their order, and under each its series in theirs.
    package static func page(_ registry: PrometheusRegistry) -> String {
        var text = ""
        for family in registry.all {
            let name = family.name.name
            if !family.name.help.isEmpty { text += "# HELP \(name) \(escaped(help: family.name.help))\n" }
            text += "# TYPE \(name) \(family.name.kind.word)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                write(name, labels, series, to: &text)
            }
        }
        return text
    }

    private static func write(_ name: String, _ labels: String, _ series: PrometheusSeries, to text: inout String) {
        switch series {
        case .counter(let series): text += "\(name)\(braced(labels)) \(number(series.value))\n"
        case .gauge(let series): text += "\(name)\(braced(labels)) \(number(series.value))\n"
        case .histogram(let series):
            let counts = series.cumulativeCounts
            for (bound, count) in zip(series.bounds + [.infinity], counts) {
                let bounded = labels + (labels.isEmpty ? "" : ",") + "le=\"\(number(bound))\""
                text += "\(name)_bucket{\(bounded)} \(count)\n"
            }
            text += "\(name)_sum\(braced(labels)) \(number(series.sum))\n"
            text += "\(name)_count\(braced(labels)) \(counts.last ?? 0)\n"
        }
    }

    private static func braced(_ labels: String) -> String {
        labels.isEmpty ? "" : "{\(labels)}"
    }

    /// Whole numbers without a fraction, and the three words for what is none.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int(exactly: value).map { String($0) } ?? value.description
    }

    /// The name as it is if Prometheus takes it, else with `_` for what it does not.
    static func name(_ name: String) -> String {
        legal(name, alsoColon: true)
    }

    /// As in `call="put",status="204"`, in the order given.
    ///
    /// A name that comes again, or is kept for Prometheus' own use, gets another.
    static func labels(_ labels: [(String, String)]) -> String {
        var used: Set<String> = []
        let written = labels.map { name, value in
            var name = legal(name, alsoColon: false)
            if name == "le" || name == "quantile" || name.hasPrefix("__") { name = "own_" + name }
            while !used.insert(name).inserted { name += "_" }
            return "\(name)=\"\(escaped(value: value))\""
        }
        return written.joined(separator: ",")
    }

    private static func legal(_ name: String, alsoColon: Bool) -> String {
        var bytes = name.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                byte
            case UInt8(ascii: ":") where alsoColon: byte
            default: UInt8(ascii: "_")
            }
        }
        if bytes.first.map({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) ?? true {
            bytes.insert(UInt8(ascii: "_"), at: 0)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func escaped(value: String) -> String {
        escaped(value.utf8, also: UInt8(ascii: "\""))
    }

    private static func escaped(help: String) -> String {
        escaped(help.utf8, also: UInt8(ascii: "\\"))
    }

    /// By bytes: a carriage return and a line feed are one character to Swift.
    private static func escaped(_ text: String.UTF8View, also quote: UInt8) -> String {
        var bytes: [UInt8] = []
        for byte in text {
            switch byte {
            case UInt8(ascii: "\n"): bytes += Array("\\n".utf8)
            case UInt8(ascii: "\\"), quote: bytes += [UInt8(ascii: "\\"), byte]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
