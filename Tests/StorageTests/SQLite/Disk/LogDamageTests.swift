import Checkpoints
import Foundation
import GRDB
import SQLiteStorage
import TestSupport
import Testing

/// Flipped bits in the log that a killed process left, and logs that were cut.
///
/// SQLite reads a log up to the first frame whose checksum is wrong, and says nothing of what comes after it.
/// `MILEPOST_FLIPS=20000` damages it as often, in place of the short form's two hundred times.
@Suite("A damaged log", .timeLimit(.minutes(60)))
struct LogDamageTests {
    private typealias Contents = [ThreadKey: [ThreadRow]]

    private static let flips = ProcessInfo.processInfo.environment["MILEPOST_FLIPS"].flatMap { Int($0) } ?? 200
    private static let changes = 12
    private static let headerBytes = 32

    /// What a kill leaves, with everything in the log.
    private struct Killed {
        let file: Data
        let log: Data
        /// What was stored after each change, beginning with none.
        var history: [Contents] = [[:]]
    }

    private func killed(_ random: inout SeededGenerator, isMoved: Bool = false) async throws -> Killed {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        // The layout is in the file, and the log begins anew.
        await (try SQLiteStore(path: path)).close()
        let store = try SQLiteStore(path: path)
        // As long as this reads, nothing is moved.
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: path, configuration: configuration)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "BEGIN; SELECT count(*) FROM threads") }
        let oracle = MemoryStore()
        var history: [Contents] = [[:]]
        for number in 0..<Self.changes {
            let noise = (0..<3_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            let key = CheckpointKey.sample(Identifier("c\(number)"), thread: ThreadKey(Identifier("t\(number % 3)")))
            for target in [store, oracle] as [any Backend.Store] {
                try await target.put(.sample(key), blobs: [.sample("a", Identifier("\(number)"), noise)])
            }
            history.append(try await oracle.contents())
        }
        if isMoved { try await reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") } }
        // Between two of the writer's turns, so that it moves nothing meanwhile.
        let (file, log) = try await store.onWriter { db in
            if isMoved { _ = try db.checkpoint(.passive) }
            return (
                try Data(contentsOf: URL(fileURLWithPath: path)),
                try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            )
        }
        try reader.close()
        await store.close()
        return Killed(file: file, log: log, history: history)
    }

    private enum Outcome: Hashable {
        case changes(Int)
        /// A state that never was, and nothing says so.
        case unknown
        /// The start is refused, a read fails, or `verify` finds it.
        case found
    }

    private func outcome(_ killed: Killed, _ log: Data?) async throws -> Outcome {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        try killed.file.write(to: URL(fileURLWithPath: path))
        if let log { try log.write(to: URL(fileURLWithPath: path + "-wal")) }
        let store: SQLiteStore
        do throws(StoreOpenError) {
            store = try SQLiteStore(path: path)
        } catch {
            #expect(error.kind == .corrupt && error.problem.contains(path))
            return .found
        }
        let damage = try await store.verify()
        let contents: Contents?
        do {
            contents = try await store.contents()
        } catch let error as StoreError {
            #expect(error.kind == .corrupt && !damage.isEmpty, "\(error.debugDescription)")
            contents = nil
        }
        await store.close()
        guard damage.isEmpty, let contents else { return .found }
        return killed.history.lastIndex(of: contents).map { .changes($0) } ?? .unknown
    }

    private func damaged(_ log: Data, _ number: Int, _ random: inout SeededGenerator) -> Data {
        var log = log
        let place = number < Self.headerBytes ? number : Int.random(in: 0..<log.count, using: &random)
        if number.isMultiple(of: 4), number > Self.headerBytes { return log.prefix(place) }
        log[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        return log
    }

    private func outcomes(
        _ killed: Killed, _ what: String, seed: UInt64, _ random: inout SeededGenerator
    ) async throws -> [Outcome: Int] {
        var sums: [Outcome: Int] = [:]
        for number in 0..<Self.flips {
            let outcome = try await outcome(killed, damaged(killed.log, number, &random))
            #expect(outcome != .unknown, "seed \(seed), \(number)")
            sums[outcome, default: 0] += 1
        }
        let (all, found) = (sums[.changes(Self.changes)] ?? 0, sums[.found] ?? 0)
        print(
            "a damaged log, \(what), \(Self.flips) times: all changes \(all) times, fewer "
                + "\(Self.flips - all - found - (sums[.unknown] ?? 0)), damage that is found \(found), "
                + "unnoticed \(sums[.unknown] ?? 0)")
        return sums
    }

    @Test("nothing of it was moved: what is there is what was there after some change, never half of one")
    func damagedLog() async throws {
        let seed = testSeed("LogDamage.damagedLog")
        var random = SeededGenerator(seed: seed)
        let killed = try await killed(&random)
        #expect(try await outcome(killed, killed.log) == .changes(Self.changes))
        #expect(try await outcome(killed, nil) == .changes(0), "all of it is only in the log")
        let sums = try await outcomes(killed, "not moved", seed: seed, &random)
        #expect(sums[.found] == nil)
        #expect(sums.count > 5)
    }

    /// The log's older pages hide the file's newer ones, up to the damage.
    @Test("all of it was moved: what is there is an earlier state, or verify finds the damage")
    func damagedAfterMoving() async throws {
        let seed = testSeed("LogDamage.damagedAfterMoving")
        var random = SeededGenerator(seed: seed)
        let killed = try await killed(&random, isMoved: true)
        #expect(try await outcome(killed, killed.log) == .changes(Self.changes))
        #expect(try await outcome(killed, nil) == .changes(Self.changes), "all of it is in the file")
        _ = try await outcomes(killed, "moved", seed: seed, &random)
    }

    @Test("a state that never was is seen: the check can fail")
    func theCheckCanFail() async throws {
        var random = SeededGenerator(seed: 1)
        var killed = try await killed(&random)
        killed.history[Self.changes] = [:]
        #expect(try await outcome(killed, killed.log) == .unknown)
    }
}
