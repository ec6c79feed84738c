import Checkpoints
import Foundation
import JSON
import SQLiteStorage
import TestSupport
import Testing

/// Flipped bits and cut files: every answer is what was stored, or an error that says where.
///
/// `MILEPOST_FLIPS=20000` flips as many, in place of the short form's two hundred.
@Suite("A damaged file", .timeLimit(.minutes(240)))
struct DamageTests {
    private static let flips = ProcessInfo.processInfo.environment["MILEPOST_FLIPS"].flatMap { Int($0) } ?? 200
    private static let pageBytes = 4_096
    private static let threads = (0..<8).map { ThreadKey(Identifier("thread-\($0)")) }
    private static let checkpoints = 6

    /// A closed store with values of every encoding, and what it answers.
    private struct Sample {
        let directory: TemporaryDirectory
        let file: Data
        let expected: [Question: SimulatedAnswer]

        /// Each checkpoint as it was stored.
        var named: [CheckpointKey: CheckpointTuple] {
            let tuples = expected.values.flatMap { DamageTests.tuples($0) }
            return Dictionary(tuples.map { ($0.checkpoint.key, $0) }) { first, _ in first }
        }
    }

    /// A read: `get-tuple` of one checkpoint or the newest, and `list`.
    private struct Question: Hashable, Sendable {
        let thread: ThreadKey
        /// Nil for the newest.
        let id: Identifier?
        let isList: Bool

        func ask(_ store: SQLiteStore) async throws -> SimulatedAnswer {
            let parts: TupleParts = [.blobs, .pendingWrites]
            if isList {
                let query = CheckpointQuery(
                    scope: .thread(thread), namespace: nil, id: nil, before: nil, after: nil, metadataFilter: nil,
                    limit: 100, parts: parts)
                return .list(try await store.list(query))
            }
            return .tuple(try await store.tuple(in: thread, namespace: "", id: id, parts: parts))
        }
    }

    private static var questions: [Question] {
        threads.flatMap { thread in
            let named = (0..<checkpoints).map { Question(thread: thread, id: Identifier("c\($0)"), isList: false) }
            return named + [
                Question(thread: thread, id: nil, isList: false), Question(thread: thread, id: nil, isList: true),
            ]
        }
    }

    private func sample(_ random: inout SeededGenerator) async throws -> Sample {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        for thread in Self.threads {
            var value: [UInt8] = []
            for number in 0..<Self.checkpoints {
                value += (0..<1_500).map { _ in UInt8.random(in: 97...122, using: &random) }
                let key = CheckpointKey.sample(Identifier("c\(number)"), thread: thread)
                let document = JSONText(
                    stringLiteral:
                        #"{"channel_versions":{"a":"\#(number)","b":"\#(number)"},"of":"\#(thread.id.text)"}"#)
                let parent: Identifier? = number == 0 ? nil : Identifier("c\(number - 1)")
                try await store.put(
                    .sample(key, parent: parent, document: document, metadata: #"{"step":1}"#),
                    blobs: [
                        .sample("a", Identifier("\(number)"), value),
                        .sample("b", Identifier("\(number)"), [UInt8(number)]),
                    ])
                try await store.putWrites(
                    [.sample("task", 0, Array(value.suffix(300))), .sample("other")], for: key, onConflict: .keepFirst)
            }
        }
        await store.close()
        let again = try SQLiteStore(path: path)
        var expected: [Question: SimulatedAnswer] = [:]
        for question in Self.questions { expected[question] = try await question.ask(again) }
        await again.close()
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        return Sample(directory: directory, file: file, expected: expected)
    }

    /// What became of one damage.
    private struct Outcome {
        var isOpened = false
        var equal = 0
        var errors = 0
        /// Answers with something else, and no error.
        var wrong: [Set<String>] = []
        /// Errors that do not say it is damage.
        var vague: [String] = []
        var threadsLost: Set<ThreadKey> = []
        var isFound = false
    }

    private func look(at file: Data, _ sample: Sample) async throws -> Outcome {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        try file.write(to: URL(fileURLWithPath: path))
        var outcome = Outcome()
        let store: SQLiteStore
        do throws(StoreOpenError) {
            store = try SQLiteStore(path: path)
        } catch {
            if ![.corrupt, .foreign, .newerSchema].contains(error.kind) || !error.problem.contains(path) {
                outcome.vague.append("opening: \(error.kind): \(error)")
            }
            outcome.isFound = true
            return outcome
        }
        outcome.isOpened = true
        let named = sample.named
        for (question, expected) in sample.expected {
            do {
                let found = try await question.ask(store)
                if found == expected {
                    outcome.equal += 1
                } else {
                    outcome.wrong.append(Self.difference(expected, found, named))
                }
            } catch let error as StoreError {
                outcome.errors += 1
                outcome.threadsLost.insert(question.thread)
                if error.kind != .corrupt || error.detail.isEmpty { outcome.vague.append(error.debugDescription) }
            }
        }
        do {
            outcome.isFound = try await !store.verify().isEmpty
        } catch {
            outcome.isFound = true
        }
        await store.close()
        return outcome
    }

    /// Which parts of an answer are others.
    private static func difference(
        _ expected: SimulatedAnswer, _ found: SimulatedAnswer, _ named: [CheckpointKey: CheckpointTuple]
    ) -> Set<String> {
        let (left, right) = (tuples(expected), tuples(found))
        var parts: Set<String> = left.map(\.checkpoint.key) == right.map(\.checkpoint.key) ? [] : [gone]
        for other in right {
            guard let one = named[other.checkpoint.key] else {
                parts.insert("a checkpoint of nobody")
                continue
            }
            parts.formUnion(difference(one, other))
        }
        return parts
    }

    fileprivate static func tuples(_ answer: SimulatedAnswer) -> [CheckpointTuple] {
        switch answer {
        case .tuple(let tuple): [tuple].compactMap(\.self)
        case .list(let page): page.tuples
        default: []
        }
    }

    private static func difference(_ left: CheckpointTuple, _ right: CheckpointTuple) -> Set<String> {
        var parts: Set<String> = []
        if left.checkpoint != right.checkpoint { parts.insert("a checkpoint") }
        if left.blobs.count > right.blobs.count || left.pendingWrites.count > right.pendingWrites.count {
            parts.insert(gone)
        }
        if !right.blobs.allSatisfy(left.blobs.contains) { parts.insert("a blob") }
        if !right.pendingWrites.allSatisfy(left.pendingWrites.contains) { parts.insert("a write") }
        return parts
    }

    /// A row that is not found under its name, because its key, or the index on the way to it, is damaged.
    ///
    /// Nothing else may be other than it was, and `verify` finds it.
    private static let gone = "not found"

    @Test("a flipped bit anywhere: a value is what was stored, or an error; what else is wrong, verify finds")
    func flippedBits() async throws {
        let seed = testSeed("Damage.flippedBits")
        var random = SeededGenerator(seed: seed)
        let sample = try await sample(&random)
        let pages = sample.file.count / Self.pageBytes
        var (unopened, equal, errors, gone) = (0, 0, 0, 0)
        for number in 0..<Self.flips {
            // Each page's header and cell pointers in turn, and anywhere.
            let page = number / 2 % pages
            let place =
                number.isMultiple(of: 2)
                ? page * Self.pageBytes + Int.random(in: 0..<(page == 0 ? 130 : 40), using: &random)
                : Int.random(in: 0..<sample.file.count, using: &random)
            var file = sample.file
            file[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            let outcome = try await look(at: file, sample)
            unopened += outcome.isOpened ? 0 : 1
            equal += outcome.equal
            errors += outcome.errors
            for what in outcome.wrong {
                gone += 1
                #expect(what == [Self.gone], "seed \(seed), flip \(number) at \(place): \(what)")
            }
            #expect(
                outcome.isFound || outcome.errors + outcome.wrong.count == 0,
                "seed \(seed), flip \(number) at \(place): verify finds nothing")
            #expect(outcome.vague == [], "seed \(seed), flip \(number) at \(place)")
        }
        print(
            "flipped bits: \(Self.flips) of \(pages) pages, \(unopened) files refused, \(equal) answers equal, "
                + "\(errors) errors, \(gone) without a row")
    }

    @Test("a file that was cut: an error, or what was stored")
    func cutFile() async throws {
        let seed = testSeed("Damage.cutFile")
        var random = SeededGenerator(seed: seed)
        let sample = try await sample(&random)
        for number in 0..<(Self.flips / 10) {
            let place = Int.random(in: 0..<sample.file.count, using: &random)
            let outcome = try await look(at: sample.file.prefix(place), sample)
            for what in outcome.wrong { #expect(what == [Self.gone], "cut at \(place): \(what)") }
            #expect(outcome.isFound || outcome.errors + outcome.wrong.count == 0, "seed \(seed), cut \(number)")
        }
    }
}
