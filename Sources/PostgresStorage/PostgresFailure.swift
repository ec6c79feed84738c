import CLibPQ
import Checkpoints

/// What PostgreSQL or the way to it said no with.
struct PostgresFailure: Error {
    /// SQLSTATE, five characters; empty when it was not the server that spoke.
    ///
    /// https://www.postgresql.org/docs/15/errcodes-appendix.html
    let state: String
    /// The engine's words without its DETAIL, which would name keys and values.
    let message: String
    /// Whether the connection is gone, and with it what became of the statements sent.
    let isLost: Bool
    /// Whether no COMMIT had been sent: then nothing happened.
    var isBeforeCommit = false

    init(state: String = "", message: String, isLost: Bool = false) {
        self.state = state
        self.message = message
        // An administrator's or a crash's end of the session: the error is the last thing it says.
        self.isLost = isLost || state.hasPrefix("57P0") || state.hasPrefix("08")
    }

    static func lost(_ message: String) -> PostgresFailure {
        PostgresFailure(message: message, isLost: true)
    }

    /// It may have happened, and it can no longer be found out.
    static let undecided = PostgresFailure(state: "MP001", message: "the head is another, and the put may be below it")

    /// What the caller gave up for a reason of its own.
    static let givenUp = PostgresFailure(state: "MP002", message: "given up by the caller")

    /// Whether a value is one that a type does not take: class 22.
    var isAboutData: Bool { state.hasPrefix("22") }

    /// Whether the same statements may go through a moment later, as things stand.
    var isTransient: Bool {
        if isLost { return true }
        return switch state {
        case "40001", "40P01": true  // Another transaction was in the way, and won.
        case "55P03", "57014": true  // A lock or a statement took too long.
        case "53300", "53400": true  // No connection or slot was free.
        case "25006": true  // A primary that has become a standby: another host may be the primary now.
        case "26000": true  // A statement prepared earlier is not there.
        case "0A000": message.contains("cached plan")  // Another program changed a column's type.
        default: state.isEmpty
        }
    }

    /// Whether the session is better left: a new one may reach another server, or prepares its statements anew.
    var spoilsConnection: Bool {
        isLost || state.isEmpty || ["25006", "26000", "0A000", "53200"].contains(state)
    }

    /// What it means to a caller who cannot wait any longer.
    func error(during operation: String) -> StoreError {
        let kind: StoreError.Kind =
            switch state {
            case "53100": .full
            case "54000": .tooLarge
            case "40001", "40P01", "55P03": .busy
            case "XX001", "XX002", "58030": .corrupt
            default: isTransient || state.hasPrefix("53") || state.hasPrefix("58") ? .unavailable : .unexpected
            }
        return StoreError(kind, during: operation, detail: state.isEmpty ? message : "\(state) \(message)")
    }
}
