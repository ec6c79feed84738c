import Synchronization

/// The bytes of request bodies, or of answers, that may be in memory at one time, over all connections.
///
/// Lock-free: a body costs one addition and one subtraction. Bodies of up to `smallBytes` may take a sixteenth more than
/// the limit, so that a few long ones, whose clients may be slow or silent, do not shut out all others.
package final class BodyBudget: Sendable {
    /// What counts as a small body: 64 KiB.
    package static let smallBytes = 64 * 1_024

    /// In bytes, above 0.
    package let limit: Int
    private let smallLimit: Int
    private let used = Atomic(0)

    package init(limit: Int) {
        self.limit = min(limit, .max / 2)
        smallLimit = self.limit + self.limit / 16
    }

    /// The bytes of the bodies that are in memory now; while a small one is being refused, also of that.
    package var bytesInUse: Int {
        used.load(ordering: .relaxed)
    }

    /// Takes `bytes` for a body that has `total` with them, or returns false and takes nothing.
    ///
    /// The counter guards no other memory, so no ordering is needed.
    fileprivate func take(_ bytes: Int, ofBodyOf total: Int) -> Bool {
        if total <= Self.smallBytes {
            if used.wrappingAdd(bytes, ordering: .relaxed).newValue <= smallLimit { return true }
            used.wrappingSubtract(bytes, ordering: .relaxed)
            return false
        }
        return takeLarge(bytes, evenIfAlone: false)
    }

    /// Takes `bytes` for an answer, or returns false and takes nothing.
    ///
    /// One that is larger than all the limit is taken when there is no other: it would never be sent.
    func takeAnswer(_ bytes: Int) -> Bool {
        takeLarge(bytes, evenIfAlone: true)
    }

    private func takeLarge(_ bytes: Int, evenIfAlone: Bool) -> Bool {
        // What does not fit is not added even for a moment: small bodies would be refused in it.
        var seen = used.load(ordering: .relaxed)
        while bytes <= limit - seen || (evenIfAlone && seen == 0) {
            let (isTaken, found) = used.weakCompareExchange(
                expected: seen,
                desired: seen + bytes,
                ordering: .relaxed
            )
            if isTaken { return true }
            seen = found
        }
        return false
    }

    func giveBack(_ bytes: Int) {
        used.wrappingSubtract(bytes, ordering: .relaxed)
    }
}

/// What one body takes of a `BodyBudget`.
///
/// Whoever holds the body owns it. It cannot be copied, and gives back what it took when it is released or dropped,
/// whichever comes first: exactly once.
package struct BodyReservation: ~Copyable, Sendable {
    private let budget: BodyBudget?
    /// What it took so far.
    package private(set) var bytes = 0

    /// Nothing is taken yet, and nothing ever without a budget: for a body that another reservation counts.
    package init(in budget: BodyBudget?) {
        self.budget = budget
    }

    deinit {
        if bytes > 0 { budget?.giveBack(bytes) }
    }

    /// Takes what is missing to `total` bytes; if that does not fit, returns false and keeps what it has.
    package mutating func grow(to total: Int) -> Bool {
        guard let budget, total > bytes else { return true }
        guard budget.take(total - bytes, ofBodyOf: total) else { return false }
        bytes = total
        return true
    }

    /// The same; throws the 503 that the client is answered with.
    mutating func require(_ total: Int) throws(APIError) {
        guard grow(to: total) else { throw .tooManyBodies(limit: budget?.limit ?? 0) }
    }

    /// Gives everything back; it can be used for another body then.
    package mutating func release() {
        if bytes > 0 { budget?.giveBack(bytes) }
        bytes = 0
    }
}
