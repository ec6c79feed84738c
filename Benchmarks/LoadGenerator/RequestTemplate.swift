import Foundation
import NIOCore

/// A request of the file: its bytes, with places for ids.
struct RequestTemplate: Sendable {
    private let pieces: [ArraySlice<UInt8>]
    /// What comes after each piece but the last.
    private let places: [UInt8]

    /// From a path, a space and a body.
    init(line: [UInt8]) {
        let path = line.prefix { $0 != UInt8(ascii: " ") }
        let body = line.dropFirst(path.count + 1)
        let marks = body.indices.dropLast(2).filter { index in
            body[index] == UInt8(ascii: "@") && body[index + 2] == UInt8(ascii: "@")
        }
        let ends = marks + [body.endIndex]
        let bodyPieces = zip([body.startIndex] + marks.map { $0 + 3 }, ends).map { body[$0..<$1] }
        let length = bodyPieces.reduce(marks.count * IDs.length) { $0 + $1.count }
        let fields = ["host: 127.0.0.1", "content-type: application/json", "content-length: \(length)"]
        let head = "POST \(String(decoding: path, as: UTF8.self)) HTTP/1.1\r\n" + fields.joined(separator: "\r\n")
        pieces = [[UInt8](head.utf8) + "\r\n\r\n".utf8 + bodyPieces[0]] + bodyPieces.dropFirst()
        places = marks.map { body[$0 + 1] }
    }

    /// Appends the request to `buffer`.
    func write(to buffer: inout ByteBuffer, thread: [UInt8], checkpoint: [UInt8]) {
        for (piece, place) in zip(pieces, places) {
            buffer.writeBytes(piece)
            buffer.writeBytes(place == UInt8(ascii: "T") ? thread : checkpoint)
        }
        buffer.writeBytes(pieces[places.count])
    }
}

/// Ids as LangGraph makes them, as text.
struct IDs {
    static let length = 36
    /// 100 ns since 1582, as UUIDs count.
    private var time: UInt64 = 0
    private let node = UInt64.random(in: 0..<1 << 48)

    /// A version 4 UUID that belongs to a number; Benchmarks/ids.py makes the same.
    static func thread(_ number: UInt64) -> [UInt8] {
        uuid(mix(2 &* number) & ~0xF000 | 0x4000, mix(2 &* number &+ 1) & ~(0b11 << 62) | 0b10 << 62)
    }

    /// A version 6 UUID of this moment, greater than the one before.
    mutating func checkpoint() -> [UInt8] {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let seconds = UInt64(now.tv_sec) + 12_219_292_800
        time = max(time + 1, seconds * 10_000_000 + UInt64(now.tv_nsec) / 100)
        return Self.uuid((time >> 12) << 16 | 0x6000 | time & 0xFFF, 0b10 << 62 | node)
    }

    /// SplitMix64.
    private static func mix(_ number: UInt64) -> UInt64 {
        var value = number &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    private static let digits = [UInt8]("0123456789abcdef".utf8)

    private static func uuid(_ high: UInt64, _ low: UInt64) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(length)
        for digit in 0..<32 {
            if [8, 12, 16, 20].contains(digit) { text.append(UInt8(ascii: "-")) }
            text.append(digits[Int((digit < 16 ? high : low) >> (60 - 4 * UInt64(digit % 16)) & 0xF)])
        }
        return text
    }
}
