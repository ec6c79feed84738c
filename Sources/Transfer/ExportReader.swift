package import Checkpoints

/// Reads an export thread by thread: whole ones, and long ones in parts.
///
/// Nothing is given out of a frame whose checksum is wrong, and a thread's end not unless its digest is right.
package final class ExportReader {
    /// Rows of one thread that lie together.
    package struct Part: Sendable {
        package let thread: ThreadKey
        /// Whether the thread begins with it.
        package let isFirst: Bool
        /// Row lines, each with its line feed.
        package let lines: [UInt8]
        /// The number of the first of them in the file.
        package let firstLine: Int
        /// What the whole thread is, when it ends with this part.
        package let digest: ThreadDigest?
    }

    /// Where an unfinished export can be gone on with: after its last whole frame that ends with a thread.
    package struct Boundary: Hashable, Sendable {
        package fileprivate(set) var offset = 0
        package fileprivate(set) var last: ThreadKey?
        package fileprivate(set) var counts = TransferCounts()
    }

    private enum Place {
        case start
        case betweenThreads
        case inThread(ThreadKey, isSplit: Bool)
        case end
    }

    private var frames: FrameReader
    private var parts: [Part] = []
    private var place = Place.start
    private var last: ThreadKey?
    /// A hash of each thread: among ten million threads, two have the same once in 370,000 exports.
    private var begun: Set<Int> = []
    private var digest = RowDigest()
    private var line = 0
    /// What the header says of the store it was made from.
    package private(set) var store = ""
    /// Threads that ended, and rows and bytes read.
    package private(set) var counts = TransferCounts()
    package private(set) var boundary = Boundary()

    /// `input` gives up to as many bytes as it is asked for, and none at the end.
    package init(_ input: @escaping (_ count: Int) throws(TransferError) -> [UInt8]) {
        frames = FrameReader(input)
    }

    /// Makes sure that there is an export to read, before anything is made for it.
    package func begin() throws(TransferError) {
        if case .start = place { try readFrame() }
    }

    /// The next part; nil at the end of an export that is whole.
    package func next() throws(TransferError) -> Part? {
        while parts.isEmpty {
            if case .end = place {
                guard case .end = try frames.next() else {
                    throw .damaged("something follows its end", line: line)
                }
                return nil
            }
            try readFrame()
        }
        return parts.removeFirst()
    }

    private func readFrame() throws(TransferError) {
        let thread: ThreadKey? = if case .inThread(let thread, _) = place { thread } else { nil }
        switch try frames.next() {
        case .frame(let content): try read(content)
        case .cutOff, .end:
            if line == 0 { throw Self.notAnExport }
            throw .cutOff(line: line, thread: thread)
        case .damaged(let detail):
            if line == 0 { throw Self.notAnExport }
            throw .damaged(detail, line: line + 1, thread: thread)
        }
        counts.bytes = frames.offset
        if case .inThread(let thread, _) = place {
            place = .inThread(thread, isSplit: true)
        } else {
            boundary = Boundary(offset: frames.offset, last: last, counts: counts)
        }
    }

    private func read(_ content: [UInt8]) throws(TransferError) {
        // Row lines that were read and are not given out yet.
        var rows = (start: 0, end: 0, firstLine: line + 1)
        var start = 0
        while start < content.count {
            guard let feed = content.lineFeed(from: start) else {
                throw .damaged("a line has no end", line: line + 1)
            }
            line += 1
            let text = start...feed
            start = feed + 1
            if content[text].withUnsafeBytes({ ExportLine.isRow($0) }) {
                guard case .inThread = place else { throw .damaged("a row belongs to no thread", line: line) }
                content[text].withUnsafeBytes { digest.add($0) }
                counts.rows += 1
                rows.end = start
            } else {
                guard let mark = content[text].withUnsafeBytes({ ExportLine.mark($0) }) else {
                    if line == 1 { throw Self.notAnExport }
                    throw .damaged("it is no line of an export", line: line)
                }
                try read(mark, lines: content[rows.start..<rows.end], firstLine: rows.firstLine)
                rows = (start, start, line + 1)
            }
        }
        if case .inThread(let thread, let isSplit) = place {
            add(content[rows.start..<rows.end], rows.firstLine, of: thread, isFirst: !isSplit, digest: nil)
        }
    }

    private func read(
        _ mark: ExportLine.Mark,
        lines: ArraySlice<UInt8>,
        firstLine: Int
    ) throws(TransferError) {
        switch (mark, place) {
        case (.header(let format, let store), .start):
            guard format == ExportLine.format else {
                throw TransferError(
                    .newerFormat,
                    "the export was written by a newer version of milepost (form \(format))",
                    hint: "import it with that version"
                )
            }
            self.store = store
            place = .betweenThreads
        case (_, .start): throw Self.notAnExport
        case (.thread(let thread), .betweenThreads):
            // Their order is the store's own, so that it tells nothing of a frame in the place of another.
            guard begun.insert(thread.hashValue).inserted else {
                throw .damaged("a thread is there twice", line: line, thread: thread)
            }
            place = .inThread(thread, isSplit: false)
            digest = RowDigest()
        case (.end(let expected), .inThread(let thread, let isSplit)):
            guard digest.value == expected else {
                throw .damaged("its rows are not those that were written", line: line, thread: thread)
            }
            add(lines, firstLine, of: thread, isFirst: !isSplit, digest: expected)
            counts.threads += 1
            last = thread
            place = .betweenThreads
        case (.complete(let threads, let rows), .betweenThreads):
            guard threads == counts.threads, rows == counts.rows else {
                throw .damaged("threads or rows are missing", line: line)
            }
            place = .end
        default:
            throw .damaged("it does not belong there", line: line)
        }
    }

    private func add(
        _ lines: ArraySlice<UInt8>,
        _ firstLine: Int,
        of thread: ThreadKey,
        isFirst: Bool,
        digest: ThreadDigest?
    ) {
        parts.append(
            Part(thread: thread, isFirst: isFirst, lines: Array(lines), firstLine: firstLine, digest: digest)
        )
    }

    private static let notAnExport = TransferError(
        .notAnExport,
        "what is read is not an export of milepost",
        hint: "give what 'milepost export' wrote"
    )
}
