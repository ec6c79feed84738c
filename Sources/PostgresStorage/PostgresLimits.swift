/// How long the store waits for what.
enum PostgresLimits {
    /// From a call's beginning to the answer that the store is not available.
    ///
    /// Long enough for a fail-over, short enough for a client that waits.
    static let patience = Duration.seconds(10)
    /// A lock that another transaction holds; then whoever waited in vain makes room for the others, and comes again.
    static let lockMilliseconds = 200
    /// A statement, on the server's side, which ends it before we give it up.
    static let statementMilliseconds = 8_000
    /// A thread's deletion, which may be of a great many rows.
    static let deletion = Duration.seconds(60)
    /// A server or pooler that has let us in and says nothing.
    static let sessionPatience = Duration.seconds(2)
    /// Between two tries to connect.
    static let pause = Duration.milliseconds(100)
}
