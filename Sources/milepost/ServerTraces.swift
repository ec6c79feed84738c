import CheckpointAPI
import Logging
import Observability
import Tracing

/// The parts that trace requests, made as the configuration says.
struct ServerTraces {
    let tracer: OTLPTracer
    /// What sends the spans while the server runs; its services end after those whose spans it sends.
    let service: Upkeep

    /// Nil when nothing is traced.
    init?(_ configuration: ObservationConfiguration, logger: Logger) {
        guard let url = configuration.tracesURL else { return nil }
        let buffer = SpanBuffer()
        tracer = OTLPTracer(percent: configuration.tracesPercent, flush: buffer.flush, record: buffer.add)
        let numbers = UniqueNumbers()
        let instance = numbers.next().hexadecimal + numbers.next().hexadecimal
        let document = OTLPDocument(service: "milepost", version: Version.current, instance: instance)
        service = Upkeep {
            let collector = Collector(url, agent: "milepost/\(Version.current)")
            let exporter = SpanExporter(buffer, as: document, logger: logger) { body, limit in
                await collector.send(body, limit: limit)
            }
            await exporter.run()
            await collector.close()
        }
    }
}
