import JSON

/// An array of numpy: the bytes as they are, and the first numbers of it.
package struct NumberArray: Sendable, Hashable {
    /// Numpy's name of the elements' type, such as `<f4`: byte order, kind, bytes of each.
    package let type: String
    package let shape: [Int]
    /// `C` for rows first, `F` for columns first.
    package let order: String
    package let bytes: [UInt8]

    package init(type: String, shape: [Int], order: String, bytes: [UInt8]) {
        self.type = type
        self.shape = shape
        self.order = order
        self.bytes = bytes
    }

    /// The first elements in the order of memory; empty when the type is not a plain number.
    package func first(_ count: Int) -> [DecodedValue] {
        guard let element = Element(type) else { return [] }
        let there = min(count, bytes.count / element.size)
        return (0..<there).map { element.read(bytes[$0 * element.size..<($0 + 1) * element.size]) }
    }
}

extension NumberArray {
    /// How one element is read.
    private struct Element {
        let kind: Character
        let size: Int
        let isBigEndian: Bool

        init?(_ type: String) {
            let parts = Array(type)
            guard parts.count == 3, "<>|=".contains(parts[0]), let size = parts[2].wholeNumberValue else { return nil }
            let sizes: [Int]
            switch parts[1] {
            case "i", "u": sizes = [1, 2, 4, 8]
            case "f": sizes = [2, 4, 8]
            case "b": sizes = [1]
            default: return nil
            }
            guard sizes.contains(size) else { return nil }
            (kind, self.size, isBigEndian) = (parts[1], size, parts[0] == ">")
        }

        func read(_ bytes: ArraySlice<UInt8>) -> DecodedValue {
            let ordered = isBigEndian ? Array(bytes) : bytes.reversed()
            let pattern = ordered.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            switch (kind, size) {
            case ("b", _): return .bool(pattern != 0)
            case ("u", _): return .number(.init(trusted: String(pattern)))
            case ("i", _):
                let unused = 64 - 8 * size
                return .number(.init(trusted: String(Int64(bitPattern: pattern << unused) >> unused)))
            case (_, 2): return DecodedValue(Self.half(UInt16(truncatingIfNeeded: pattern)))
            case (_, 4):
                let number = Float(bitPattern: UInt32(truncatingIfNeeded: pattern))
                // In as few digits as a Float needs.
                return number.isFinite ? .number(.init(trusted: number.description)) : DecodedValue(Double(number))
            default: return DecodedValue(Double(bitPattern: pattern))
            }
        }

        /// IEEE 754 binary16, which the standard library does not have on every machine.
        private static func half(_ bits: UInt16) -> Double {
            let sign: Double = bits >> 15 == 0 ? 1 : -1
            let exponent = Int(bits >> 10 & 0x1F)
            let fraction = Double(bits & 0x3FF) / 1_024
            if exponent == 0x1F { return fraction == 0 ? sign * .infinity : .nan }
            let magnitude = exponent == 0 ? fraction : 1 + fraction
            return Double(sign: .plus, exponent: max(exponent, 1) - 15, significand: sign * magnitude)
        }
    }
}
