extension JSONScanner {
    /// Checks the number at the position and moves past it.
    ///
    /// As CPython does, it takes the longest number there is and leaves what follows (of `1.`, `01`, `1e`) to the
    /// next step.
    mutating func scanNumber() throws(JSONError) {
        let start = position
        var index = start
        if current == .minus { index += 1 }
        let integer = index
        guard index < bytes.count, bytes[index].isDigit else { throw failure(.expectedValue, at: start) }
        index = bytes[index] == .zero ? index + 1 : endOfDigits(from: index)
        let integerDigits = index - integer

        let isReal = scanFractionAndExponent(from: &index, start: start, integerDigits: integerDigits)
        if !isReal, integerDigits > limits.maximumIntegerDigits {
            throw failure(.integerTooLong, at: start)
        }
        if sawUnrepresentableNumber, !notesUnrepresentableNumbers {
            throw failure(.numberOutOfRange, at: start)
        }
        position = index
    }

    /// Moves past a fraction and an exponent, as far as they are complete; whether there was either.
    @inline(__always)
    private mutating func scanFractionAndExponent(from index: inout Int, start: Int, integerDigits: Int) -> Bool {
        guard index + 1 < bytes.count else { return false }
        var isReal = false
        if bytes[index] == .point, bytes[index + 1].isDigit {
            index = endOfDigits(from: index + 1)
            isReal = true
        }
        var hasLargeExponent = false
        if index + 1 < bytes.count, bytes[index].isExponentMark {
            let digits = bytes[index + 1] == .minus || bytes[index + 1] == .plus ? index + 2 : index + 1
            let end = endOfDigits(from: digits)
            if end > digits {
                hasLargeExponent = end - digits > 2 && bytes[index + 1] != .minus
                index = end
                isReal = true
            }
        }
        // Below 10^(200 + 99) nothing can be out of range, whatever its digits.
        if isReal, integerDigits > 200 || hasLargeExponent {
            noteIfUnrepresentable(start..<index)
        }
        return isReal
    }

    @inline(never)
    private mutating func noteIfUnrepresentable(_ text: Range<Int>) {
        if JSONDecimal.isBeyondDouble(bytes[text]) {
            sawUnrepresentableNumber = true
        }
    }

    @inline(__always)
    private func endOfDigits(from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index].isDigit { index += 1 }
        return index
    }
}
