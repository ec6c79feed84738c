import Checkpoints
import JSON
import Synchronization

/// How far an export or an import has come.
package struct TransferCounts: Hashable, Sendable {
    /// Whole ones.
    package var threads = 0
    package var rows = 0
    /// Of the compressed file.
    package var bytes = 0

    package init() {}
}

/// Writes an export: lines in frames, each of whole threads, or of a part of one that is long.
///
/// `@Sendable` is what a store's thread calls it as; one caller at a time.
package final class ExportWriter: Sendable {
    package typealias Output = @Sendable (UnsafeRawBufferPointer) throws(TransferError) -> Void

    /// Bytes of lines after which a frame ends; one line more may be in it.
    package static let frameBytes = 4 << 20

    private struct State: ~Copyable {
        /// What is not written yet.
        var lines = JSONWriter()
        /// Where in `lines` the current thread begins.
        var threadStart = 0
        /// Whether a part of the current thread was written.
        var isSplit = false
        /// Whether a part of it may be: then it cannot be left out any more.
        var maySplit = true
        /// Whether it came to be so long that a part has to be, and none may.
        var isHeldUp = false
        var rowsBefore = 0
        var digest = RowDigest()
        var counts: TransferCounts
        var failure: TransferError?
    }

    private let state: Mutex<State>
    private let frameBytes: Int
    private let output: Output

    /// `counts` are what an export that is gone on with has already.
    package init(
        continuing counts: TransferCounts = TransferCounts(),
        frameBytes: Int = frameBytes,
        _ output: @escaping Output
    ) {
        state = Mutex(State(counts: counts))
        self.frameBytes = frameBytes
        self.output = output
    }

    package var counts: TransferCounts { state.withLock { $0.counts } }

    /// Why nothing could be written any more.
    var failure: TransferError? { state.withLock { $0.failure } }

    /// Begins the file; not for one that is gone on with.
    package func begin(store: String, program: String) throws(TransferError) {
        try change { (state) throws(TransferError) in
            state.lines.header(store: store, program: program)
            try write(&state, state.lines.bytes.count)
        }
    }

    /// Whether the current thread has more lines than may be kept back.
    var isHeldUp: Bool { state.withLock { $0.isHeldUp } }

    /// Whether a part of the current thread was written.
    var isSplit: Bool { state.withLock { $0.isSplit } }

    /// Unless it `maySplit`, nothing of the thread is written before it ends.
    func begin(_ thread: ThreadKey, maySplit: Bool = true) {
        state.withLock { state in
            (state.maySplit, state.isHeldUp, state.rowsBefore) = (maySplit, false, state.counts.rows)
            state.threadStart = state.lines.bytes.count
            state.digest = RowDigest()
            state.lines.thread(thread)
        }
    }

    /// Takes the thread back that was begun and of which nothing was written.
    func leaveOut() {
        state.withLock { state in
            state.lines.bytes.removeSubrange(state.threadStart...)
            state.counts.rows = state.rowsBefore
        }
    }

    func add(_ row: ThreadRow) throws(TransferError) {
        try change { (state) throws(TransferError) in
            if state.isHeldUp { return }
            let start = state.lines.bytes.count
            state.lines.row(row)
            state.lines.bytes[start...].withUnsafeBytes { state.digest.add($0) }
            state.counts.rows += 1
            guard state.lines.bytes.count >= frameBytes else { return }
            // The threads before this one, or what there is of it.
            state.isHeldUp = state.threadStart == 0 && !state.maySplit
            if state.isHeldUp { return }
            state.isSplit = state.threadStart == 0
            try write(&state, state.isSplit ? state.lines.bytes.count : state.threadStart)
        }
    }

    /// Ends the current thread; one without rows, as one that was deleted meanwhile, leaves no trace.
    func endThread() throws(TransferError) {
        try change { (state) throws(TransferError) in
            let digest = state.digest.value
            guard digest.rows > 0 else {
                state.lines.bytes.removeSubrange(state.threadStart...)
                return
            }
            state.lines.end(digest)
            state.counts.threads += 1
            // What follows a part of a thread begins a frame: an export goes on where a frame begins with a thread.
            if state.isSplit || state.lines.bytes.count >= frameBytes { try write(&state, state.lines.bytes.count) }
            state.isSplit = false
        }
    }

    /// Writes what is left, and the line that makes it a whole export.
    func finish() throws(TransferError) {
        try change { (state) throws(TransferError) in
            if !state.lines.bytes.isEmpty { try write(&state, state.lines.bytes.count) }
            state.lines.complete(threads: state.counts.threads, rows: state.counts.rows)
            try write(&state, state.lines.bytes.count)
        }
    }

    private func change(_ body: (inout State) throws(TransferError) -> Void) throws(TransferError) {
        let result: Result<Void, TransferError> = state.withLock { state in
            do throws(TransferError) {
                if let failure = state.failure { throw failure }
                try body(&state)
                return .success(())
            } catch {
                state.failure = error
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Writes the first `count` bytes of what waits as a frame.
    private func write(_ state: inout State, _ count: Int) throws(TransferError) {
        let frame = state.lines.bytes[..<count].withUnsafeBytes { ZstandardFrame.compress($0) }
        guard let frame else {
            throw TransferError(.notAccessible, "no memory to compress with", hint: "give the process more of it")
        }
        let failure: TransferError? = frame.withUnsafeBytes { bytes in
            do throws(TransferError) {
                try output(bytes)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        state.lines.bytes.removeFirst(count)
        state.threadStart -= min(count, state.threadStart)
        state.counts.bytes += frame.count
    }
}
