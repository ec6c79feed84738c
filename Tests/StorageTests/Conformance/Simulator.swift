import Checkpoints
import JSON
import TestSupport

/// Makes the same calls on two new stores, and says where their answers part.
struct Simulator: Sendable {
    typealias Ask = @Sendable (SimulatedCall, any Backend.Store) async throws -> SimulatedAnswer

    let subject: Backend
    let reference: Backend
    /// How the subject is asked; a test that plants a defect does it here.
    ///
    /// Made anew for each run.
    var asking: @Sendable () -> Ask = { { call, store in try await call.answer(on: store) } }

    /// Where two stores part.
    struct Difference: CustomStringConvertible {
        /// Nil when all answers are equal, and what the stores have in the end is not.
        let step: Int?
        /// Whether it is only of what followers were told.
        var isOfTold = false
        let detail: String

        var description: String { step.map { "step \($0): \(detail)" } ?? "at the end: \(detail)" }
    }

    /// Nil when they never do.
    ///
    /// PostgreSQL's store looks at what is followed now and then, and tells more when that comes between two changes: a
    /// difference of what is told counts there if it comes again.
    func difference(_ calls: [SimulatedCall]) async throws -> Difference? {
        let needsTurn = subject.isPostgres || reference.isPostgres
        let first = try await difference(calls, needsTurn: needsTurn)
        guard needsTurn, let first, first.isOfTold else { return first }
        return try await difference(calls, needsTurn: needsTurn)
    }

    private func difference(_ calls: [SimulatedCall], needsTurn: Bool) async throws -> Difference? {
        if needsTurn { await PostgresServer.turns.take() }
        let result: Result<Difference?, any Error>
        do {
            result = .success(try await differenceInTurn(calls))
        } catch {
            result = .failure(error)
        }
        if needsTurn { await PostgresServer.turns.giveBack() }
        return try result.get()
    }

    private func differenceInTurn(_ calls: [SimulatedCall]) async throws -> Difference? {
        let left = try SimulatedStore(subject)
        let right = try SimulatedStore(reference)
        do {
            var found = try await difference(calls, left, right)
            if found == nil { found = try await difference(left.store, right.store) }
            await left.store.close()
            await right.store.close()
            return found
        } catch {
            await left.store.close()
            await right.store.close()
            throw error
        }
    }

    private func difference(
        _ calls: [SimulatedCall],
        _ left: SimulatedStore,
        _ right: SimulatedStore
    ) async throws -> Difference? {
        let ask = asking()
        for (step, call) in calls.enumerated() {
            if case .reopen = call {
                try await left.reopen()
                try await right.reopen()
            }
            let found = try await ask(call, left.store)
            let expected = try await call.answer(on: right.store)
            if found != expected {
                return Difference(
                    step: step,
                    isOfTold: found.untold == expected.untold,
                    detail: "\(call)\n  \(found)\nnot\n  \(expected)"
                )
            }
        }
        return nil
    }

    /// What both have in the end, and whether it is sound.
    private func difference(_ left: any Backend.Store, _ right: any Backend.Store) async throws -> Difference? {
        for store in [left, right] {
            let damage = try await store.verify()
            if !damage.isEmpty { return Difference(step: nil, detail: "\(damage)") }
        }
        let (found, expected) = (try await left.contents(), try await right.contents())
        guard found != expected else { return nil }
        let threads = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }
        return Difference(step: nil, detail: "other rows of \(threads.map(\.id.text))")
    }

    /// The fewest and plainest calls that still make a difference, of some that made this one.
    ///
    /// Each attempt is made on new stores; those that are not made any more once there were `attempts` are missing from
    /// the result's plainness alone.
    func shrunk(
        _ calls: [SimulatedCall],
        from found: Difference,
        attempts: Int = 300
    ) async throws -> [SimulatedCall] {
        let upToIt = found.step.map { Array(calls[...$0]) } ?? calls
        var shrinking = Shrinking(upToIt, attempts: attempts) { try await difference($0) != nil }
        try await shrinking.removeCalls()
        try await shrinking.simplifyCalls()
        return shrinking.calls
    }

    /// What a failing test shows: the shortest sequence, how to have the long one again, and what was found first.
    ///
    /// What does not come again is not looked for in fewer calls.
    func report(_ calls: [SimulatedCall], _ first: Difference, seed: UInt64) async throws -> String {
        let stores = "\(subject) beside \(reference), MILEPOST_SEED=\(seed)"
        guard let again = try await difference(calls) else {
            return "\(stores): only once, and equal when all calls were made again: \(first)"
        }
        let shortest = try await shrunk(calls, from: again)
        let difference = try await difference(shortest)
        let lines = shortest.enumerated().map { "  \($0): \($1)" }.joined(separator: "\n").replacing(
            "Checkpoints.", with: "")
        let end = difference?.description ?? "equal when it was done again; at first, of all calls, \(first)"
        return "\(stores), \(shortest.count) of \(calls.count) calls:\n\(lines)\n\(end)"
    }
}

/// A store that can be closed and opened.
private final class SimulatedStore {
    private let backend: Backend
    private let directory: TemporaryDirectory
    private(set) var store: any Backend.Store

    init(_ backend: Backend) throws {
        self.backend = backend
        directory = try TemporaryDirectory()
        store = try backend.open(in: directory)
    }

    /// What is kept in memory alone stays open.
    func reopen() async throws {
        guard Backend.durable.contains(backend) else { return }
        await store.close()
        store = try backend.open(in: directory)
    }
}

extension JSONText: CustomStringConvertible {
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension ChannelBlob: CustomStringConvertible {
    package var description: String {
        "blob \(channel) \(version) \(type) \(bytes.map { "\($0.count) bytes" } ?? "nil")"
    }
}

extension PendingWrite: CustomStringConvertible {
    package var description: String {
        "write \(taskID) \(index) \(channel) \(type ?? "nil") \(bytes.count) bytes \(taskPath)"
    }
}
