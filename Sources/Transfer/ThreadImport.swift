package import Checkpoints

/// Reads an export into a store, and compares what the store then has.
package struct ThreadImport: Sendable {
    /// What became of the threads that were read.
    package struct Result: Sendable {
        package var imported = 0
        /// The store had them before, exactly.
        package var alreadyThere = 0
        package var rowsAdded = 0
        /// The store has something else of them, or more.
        package var different: [ThreadKey] = []
        /// Why the rest was not read, or not stored: `TransferError`.
        package var failure: TransferError?

        package init() {}

        package var threads: Int { imported + alreadyThere + different.count }
    }

    /// Whole threads that are stored at a time: a store commits together what comes together.
    private static let threadsInFlight = 8

    private let target: any ThreadTransfer

    package init(into target: any ThreadTransfer) {
        self.target = target
    }

    /// Imports every thread, and says how far it came.
    ///
    /// A thread counts as imported when all its rows were read undamaged, were stored, and are what the store has
    /// of that thread. `report` may be called at any rate.
    package func run(
        _ reader: ExportReader,
        _ report: (TransferCounts) -> Void = { _ in }
    ) async -> Result {
        await withTaskGroup(of: Swift.Result<ThreadIntake.Outcome, TransferError>.self) { group in
            var result = Result()
            var inFlight = 0
            do throws(TransferError) {
                // The long thread that is being read.
                var long: ThreadIntake?
                while let part = try reader.next() {
                    if part.isFirst, part.digest != nil {
                        if inFlight == Self.threadsInFlight, let outcome = await group.next() {
                            inFlight -= 1
                            result.add(try outcome.get())
                        }
                        let target = target
                        group.addTask { await ThreadIntake.whole(part, into: target) }
                        inFlight += 1
                    } else {
                        var intake = part.isFirst ? try await ThreadIntake(part.thread, into: target) : long
                        try await intake?.take(part)
                        if let digest = part.digest, let outcome = try await intake?.end(digest) { result.add(outcome) }
                        long = part.digest == nil ? intake : nil
                    }
                    report(reader.counts)
                }
            } catch {
                result.failure = error
            }
            for await outcome in group {
                switch outcome {
                case .success(let outcome): result.add(outcome)
                case .failure(let error): result.failure = result.failure ?? error
                }
            }
            result.different.sort()
            return result
        }
    }
}

extension ThreadImport.Result {
    fileprivate mutating func add(_ outcome: ThreadIntake.Outcome) {
        rowsAdded += outcome.rowsAdded
        switch outcome.kind {
        case .imported: imported += 1
        case .alreadyThere: alreadyThere += 1
        case .different: different.append(outcome.thread)
        }
    }
}
