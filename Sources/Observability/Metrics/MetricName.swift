/// A metric as the page of metrics shows it: its name, what it is, and one line about it.
package struct MetricName: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Only grows, until the process ends.
        case counter
        case gauge
        /// How many values were no more than each of these bounds, which grow.
        case histogram([Double])

        /// The word of the exposition format.
        package var word: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    package let name: String
    package let kind: Kind
    package let help: String
    /// The names of its labels.
    package let labels: [String]

    package init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

extension MetricName.Kind {
    /// From half a millisecond to ten seconds: what a request, a wait or a commit may take.
    static let seconds = Self.histogram([
        0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10,
    ])
    /// A flush of a good disk takes less than a request.
    static let flushSeconds = Self.histogram([
        0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
    ])
    /// Changes in one transaction, of which there may be 256.
    static let batches = Self.histogram([1, 2, 4, 8, 16, 32, 64, 128, 256])
}
