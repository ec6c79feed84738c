import ArgumentParser
import Checkpoints
import Glibc
import JSON

/// `milepost verify`: looks at everything in a store and says what is damaged.
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check everything in a store for damage.",
        discussion: """
            Reads every checkpoint, every blob through its chain and every pending write, and prints a line for each \
            that is damaged, then a summary. Where values are encrypted and the keys are given, each is also opened. Changes nothing, and may run while a server has the store open.

            Exit codes: 0 no damage, 2 damage found, 1 the store could not be read, 64 wrong usage. Ctrl-C ends it at \
            any time.

            EXAMPLES
              milepost verify
                  ./milepost.db
              milepost verify --store sqlite:/var/lib/milepost/agents.db --json
                  another file, as one JSON object
            """
    )

    /// Damage is neither success nor a failure of the program.
    static let damaged = ExitCode(2)

    @OptionGroup var options: StoreOptions

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let store = try await options.read()
        let keys = try await options.readKeys()
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "nothing was changed")
        defer { interruption.end() }
        let found: StoreVerification
        do {
            found = try await store.verify(keys: keys) { line.show($0.line, fraction: $0.fraction) }
        } catch {
            line.end()
            throw error
        }
        line.end()
        if json {
            Output.json(found.json(of: store))
        } else {
            for damage in found.damageByThread.flatMap(\.damage) {
                Output.line(damage.description)
            }
            Output.line(found.summary)
        }
        if !found.damage.isEmpty { throw Self.damaged }
    }
}

extension VerifyProgress {
    /// Fits a terminal of 80 columns.
    var line: String {
        guard fraction != nil else { return "checking pages and indexes" }
        let damages = damageCount == 0 ? "" : ", \(damageCount.grouped) damaged"
        return "\(checked.rows)\(damages)"
    }
}

extension StoreVerification {
    var summary: String {
        let outcome =
            damage.isEmpty ? "no damage" : damage.count == 1 ? "1 problem" : "\(damage.count.grouped) problems"
        let hit = damageByThread.count { $0.thread != nil }
        let place = hit == 0 ? "" : hit == 1 ? " in 1 thread" : " in \(hit.grouped) threads"
        return "checked \(checked.rows) of \(checked.threads.grouped) threads: \(outcome)\(place)"
    }

    /// The damage of each thread together, in the order in which the first of each was found; that of no thread first.
    var damageByThread: [(thread: ThreadKey?, damage: [StoreDamage])] {
        var order: [ThreadKey?] = []
        let groups = Dictionary(grouping: damage, by: \.thread)
        for damage in damage where !order.contains(damage.thread) { order.append(damage.thread) }
        let sorted = order.filter { $0 == nil } + order.filter { $0 != nil }
        return sorted.map { ($0, groups[$0] ?? []) }
    }

    /// What docs/storage.md documents under "Verify".
    func json(of store: StoreConfiguration) -> JSONValue {
        [
            "store": .string(JSONString(store.description)),
            "ok": .bool(damage.isEmpty),
            "threads": .number(JSONNumber(checked.threads)),
            "checkpoints": .number(JSONNumber(checked.checkpoints)),
            "blobs": .number(JSONNumber(checked.blobs)),
            "writes": .number(JSONNumber(checked.writes)),
            "threads_damaged": .array(
                damageByThread.compactMap { thread, damage in
                    thread.map { thread in
                        [
                            "tenant": .string(JSONString(thread.tenant.name.text)),
                            "thread_id": .string(JSONString(thread.id.text)),
                            "problems": .number(JSONNumber(damage.count)),
                        ]
                    }
                }
            ),
            "problems": .array(damageByThread.flatMap(\.damage).map(\.json)),
        ]
    }
}

extension StoreCounts {
    fileprivate var rows: String {
        "\(checkpoints.grouped) checkpoints, \(blobs.grouped) blobs, \(writes.grouped) writes"
    }
}

extension StoreDamage {
    fileprivate var json: JSONValue {
        func text(_ name: String?) -> JSONValue { name.map { .string(JSONString($0)) } ?? .null }
        return [
            "what": text(kind.rawValue),
            "tenant": text(thread?.tenant.name.text),
            "thread_id": text(thread?.id.text),
            "checkpoint_ns": text(namespace?.text),
            "checkpoint_id": text(checkpointID?.text),
            "channel": text(channel?.text),
            "version": text(version?.text),
            "task_id": text(taskID?.text),
            "detail": text(detail),
        ]
    }
}

extension Int {
    /// With a comma before every third digit from the right, for a person.
    var grouped: String {
        var text = ""
        for (place, digit) in String(magnitude).reversed().enumerated() {
            if place > 0 && place.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }
}
