/// How a log line looks.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, for programs.
    case json
    /// Time, level, message and `key=value` pairs, for people at a terminal.
    case text
}
