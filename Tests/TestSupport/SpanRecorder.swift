package import Observability
import Synchronization

/// Keeps the spans that ended, in that order.
package final class SpanRecorder: Sendable {
    private let recorded = Mutex<[FinishedSpan]>([])

    package init() {}

    package var spans: [FinishedSpan] { recorded.withLock { $0 } }

    /// A tracer whose spans are kept here.
    package func tracer(percent: Int = 100, seed: UInt64 = 7) -> OTLPTracer {
        OTLPTracer(percent: percent, numbers: UniqueNumbers(seed: seed)) { span in
            self.recorded.withLock { $0.append(span) }
        }
    }
}
