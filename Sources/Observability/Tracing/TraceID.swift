/// Names a trace: 16 bytes, not all of them zero.
package struct TraceID: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    /// Nil for zero, which names none.
    package init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    init(_ numbers: UniqueNumbers) {
        high = numbers.next()
        low = max(numbers.next(), 1)
    }

    /// 32 lower-case hexadecimal digits.
    package var hexadecimal: String { high.hexadecimal + low.hexadecimal }
}

/// Names a span within its trace: 8 bytes, not all of them zero.
package struct SpanID: Hashable, Sendable {
    package let number: UInt64

    /// Nil for zero, which names none.
    package init?(_ number: UInt64) {
        guard number != 0 else { return nil }
        self.number = number
    }

    init(_ numbers: UniqueNumbers) {
        number = max(numbers.next(), 1)
    }

    /// 16 lower-case hexadecimal digits.
    package var hexadecimal: String { number.hexadecimal }
}
