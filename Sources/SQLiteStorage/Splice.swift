import Glibc

/// A value as a change of another: the bytes that both have in one piece, and the rest.
///
///     base    ┌head┐┌───────── run ─────────┐┌─ replaced ─┐┌─ tail ─┐
///     value   ┌h┐┌───────── run ─────────┐┌─── middle ───┐┌─ tail ─┐
///
/// A list that grows, and one with a message edited, differ from the version before in one place, and in the few bytes
/// at its head that count the elements. Finding that takes one comparison of memory, some hundred times less than
/// compressing the value against the other. Only the head and the middle are compressed, against the bytes of the base
/// around that place.
struct Splice {
    /// Bytes at the value's beginning that are not in the run.
    let head: Int
    /// Where the run begins in the base.
    let start: Int
    /// Bytes of the run.
    let run: Int
    /// Bytes at the end that both have.
    let tail: Int

    /// Bytes before and after which a run may begin: the heads of lists in msgpack and JSON are shorter.
    private static let longestHead = 8
    /// A run shorter than this is not worth one.
    private static let shortestRun = 32
    /// Bytes of the base before the place of the change that the middle is compressed against.
    private static let context = 16 << 10

    /// The change with the longest run.
    ///
    /// Costs a comparison of both.
    init(_ value: UnsafeRawBufferPointer, from base: UnsafeRawBufferPointer) {
        var (head, start, run) = (0, 0, 0)
        for first in 0...Self.longestHead {
            // Once more than half is found there is no better place.
            for second in 0...Self.longestHead where run <= value.count / 2 {
                guard let found = Self.run(value, first, base, second), found > run else { continue }
                (head, start, run) = (first, second, found)
            }
        }
        self.head = head
        self.start = start
        self.run = run
        tail = Self.commonEnd(
            UnsafeRawBufferPointer(rebasing: value[(head + run)...]),
            UnsafeRawBufferPointer(rebasing: base[(start + run)...])
        )
    }

    private init(head: Int, start: Int, run: Int, tail: Int) {
        self.head = head
        self.start = start
        self.run = run
        self.tail = tail
    }

    /// The part of the base that the rest is compressed against: what the middle replaces, and what is before it.
    func window(in base: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: base[max(0, start + run - Self.context)..<base.count - tail])
    }

    /// Calls `body` with the bytes that are not in the base: head and middle.
    func withRest<Result>(
        of value: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let middle = value[(head + run)..<(value.count - tail)]
        if head == 0 { return body(UnsafeRawBufferPointer(rebasing: middle)) }
        return (Array(value[..<head]) + Array(middle)).withUnsafeBytes(body)
    }

    /// The value; nil when the rest is too short.
    func joined(_ rest: [UInt8], base: UnsafeRawBufferPointer) -> [UInt8]? {
        guard rest.count >= head else { return nil }
        var value: [UInt8] = []
        value.reserveCapacity(rest.count + run + tail)
        value.append(contentsOf: rest[..<head])
        value.append(contentsOf: base[start..<start + run])
        value.append(contentsOf: rest[head...])
        value.append(contentsOf: base[(base.count - tail)...])
        return value
    }

    // MARK: - On disk

    func appendHeader(to payload: inout [UInt8]) {
        for number in [head, start, run, tail] {
            payload.append(number: number)
        }
    }

    /// The header of a payload, and where it ends; nil when it does not fit a base of that many bytes.
    static func read(_ payload: [UInt8], baseCount: Int) -> (Splice, end: Int)? {
        var reader = ByteReader(payload)
        guard
            let head = reader.number(), let start = reader.number(), let run = reader.number(),
            let tail = reader.number(), start <= baseCount, run <= baseCount - start, tail <= baseCount - start - run
        else { return nil }
        return (Splice(head: head, start: start, run: run, tail: tail), reader.position)
    }

    // MARK: - Comparing

    /// How many bytes are equal from these two places on; nil when they are too few.
    private static func run(
        _ value: UnsafeRawBufferPointer,
        _ first: Int,
        _ base: UnsafeRawBufferPointer,
        _ second: Int
    ) -> Int? {
        let limit = min(value.count - first, base.count - second)
        guard limit >= shortestRun, isEqual(value, first, base, second, shortestRun) else { return nil }
        return count(upTo: limit) { done, count in
            isEqual(value, first + done, base, second + done, count)
        }
    }

    /// How many bytes at their ends are equal.
    private static func commonEnd(_ value: UnsafeRawBufferPointer, _ base: UnsafeRawBufferPointer) -> Int {
        count(upTo: min(value.count, base.count)) { done, count in
            isEqual(value, value.count - done - count, base, base.count - done - count, count)
        }
    }

    /// How many of `limit` bytes are equal in a row; `isEqual` compares some, after those that are.
    ///
    /// Takes large steps until they differ, then halves them.
    private static func count(upTo limit: Int, _ isEqual: (_ done: Int, _ count: Int) -> Bool) -> Int {
        var done = 0
        var step = 4_096
        while done < limit {
            let count = min(step, limit - done)
            if isEqual(done, count) {
                done += count
            } else if count == 1 {
                break
            } else {
                step = count / 2
            }
        }
        return done
    }

    private static func isEqual(
        _ value: UnsafeRawBufferPointer,
        _ first: Int,
        _ base: UnsafeRawBufferPointer,
        _ second: Int,
        _ count: Int
    ) -> Bool {
        guard let value = value.baseAddress, let base = base.baseAddress else { return false }
        return memcmp(value + first, base + second, count) == 0
    }
}
