import Glibc
import JSON
package import Logging

/// A log line for each event, written whole to one descriptor: lines of several threads never mix.
///
/// The `message` of an event is a constant sentence; what varies is in its metadata. Metadata is written in the
/// order of its keys, after the fixed fields.
package struct LineLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let format: LogFormat
    private let write: @Sendable ([UInt8]) -> Void
    private let clock: @Sendable () -> Timestamp

    /// `write` gets whole lines with their line feed; the default is standard error.
    package init(
        format: LogFormat,
        level: Logger.Level,
        clock: @escaping @Sendable () -> Timestamp = { .now },
        write: @escaping @Sendable ([UInt8]) -> Void = Self.writeToStandardError
    ) {
        self.format = format
        self.logLevel = level
        self.clock = clock
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        let pairs = all.sorted { $0.key < $1.key }
        let time = clock()
        switch format {
        case .json: write(Self.json(event, time, pairs))
        case .text: write(Self.text(event, time, pairs))
        }
    }

    /// A short write or an error loses the line: a log that cannot be written must not stop the server.
    package static let writeToStandardError: @Sendable ([UInt8]) -> Void = { line in
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private typealias Pairs = [(key: String, value: Logger.MetadataValue)]

    private static func json(_ event: LogEvent, _ time: Timestamp, _ pairs: Pairs) -> [UInt8] {
        var line = JSONWriter(reservingCapacity: 256)
        line.raw("{\"time\":")
        line.string(time.iso8601)
        line.raw(",\"level\":")
        line.string(event.level.rawValue)
        line.raw(",\"message\":")
        line.string(event.message.description)
        for (key, value) in pairs {
            line.raw(",")
            line.string(key)
            line.raw(":")
            line.metadata(value)
        }
        line.raw("}\n")
        return line.bytes
    }

    private static func text(_ event: LogEvent, _ time: Timestamp, _ pairs: Pairs) -> [UInt8] {
        let level = event.level.rawValue
        var line = "\(time.timeOfDay) \(level)\(String(repeating: " ", count: max(0, 8 - level.count)))\(event.message)"
        for (key, value) in pairs {
            line += "  \(key)=\(value)"
        }
        // One event stays one line, whatever an error's text holds.
        return line.utf8.map { $0 < 0x20 ? UInt8(ascii: " ") : $0 } + [UInt8(ascii: "\n")]
    }
}

extension JSONWriter {
    fileprivate mutating func metadata(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): string(text)
        case .stringConvertible(let number as Int): integer(number)
        case .stringConvertible(let other): string(other.description)
        case .array, .dictionary: self.value(value.json)
        }
    }
}

extension Logger.MetadataValue {
    fileprivate var json: JSONValue {
        switch self {
        case .string(let text): .string(JSONString(text))
        case .stringConvertible(let other): .string(JSONString(other.description))
        case .array(let values): .array(values.map(\.json))
        case .dictionary(let members):
            .object(
                members.sorted { $0.key < $1.key }.map { JSONMember(name: JSONString($0.key), value: $0.value.json) }
            )
        }
    }
}
