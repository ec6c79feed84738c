/// What the readers of dates are made of.
extension Substring.UTF8View {
    /// Takes a character off the front; false, and nothing, where there is another.
    package mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard first == UInt8(ascii: character) else { return false }
        removeFirst()
        return true
    }

    /// Takes a number of exactly so many digits off the front, at most eighteen; nil, and nothing, where there is none.
    package mutating func number(of count: Int) -> Int64? {
        let digits = prefix(count)
        guard digits.count == count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        removeFirst(count)
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
}
