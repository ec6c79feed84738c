/// The exact value of a number's text, in one form for each value, so that equal values are equal and hash alike.
///
/// It is `digits` after a point, times ten to the `exponent`: 120 is [1, 2] and 3. There are no leading or trailing
/// zeros, and zero has no digits, sign or exponent.
struct JSONDecimal: Hashable {
    private(set) var isNegative = false
    /// Digits as 0 … 9.
    private(set) var digits: [UInt8] = []
    /// Kept within ±10^15, far beyond any number that is not zero or infinite in practice.
    private(set) var exponent = 0

    /// The digits that decide which `Double` is nearest, when it is known whether any follow.
    ///
    /// https://www.exploringbinary.com/maximum-number-of-decimal-digits-in-binary-floating-point-numbers/
    static let digitsForDouble = 768

    /// Reads a text of JSON's number grammar, keeping that many significant digits.
    ///
    /// When others are dropped and not all are zero, a 1 stands for them.
    init(_ text: some Sequence<UInt8>, maximumDigits: Int = .max) {
        var integerDigits = 0
        var written = 0
        var writtenIsNegative = false
        var (inFraction, inExponent, isTruncated) = (false, false, false)
        for byte in text {
            switch byte {
            case .minus where inExponent: writtenIsNegative = true
            case .minus: isNegative = true
            case .plus: break
            case .point: inFraction = true
            case _ where byte.isExponentMark: inExponent = true
            case _ where inExponent:
                written = min(written * 10 + Int(byte - .zero), Self.maximumExponent)
            default:
                let digit = byte - .zero
                if digits.isEmpty, digit == 0 {
                    if inFraction { integerDigits -= 1 }
                    continue
                }
                if !inFraction { integerDigits += 1 }
                if digits.count < maximumDigits {
                    digits.append(digit)
                } else if digit != 0 {
                    isTruncated = true
                }
            }
        }
        if isTruncated {
            digits.append(1)
        }
        while digits.last == 0 {
            digits.removeLast()
        }
        if isZero {
            isNegative = false
        } else {
            exponent = integerDigits + (writtenIsNegative ? -written : written)
        }
    }

    var isZero: Bool { digits.isEmpty }

    /// The nearest `Double`: infinite beyond the largest, zero (with the sign) below the smallest.
    var double: Double {
        let magnitude: Double
        switch exponent {
        case _ where isZero: magnitude = 0
        case 310...: magnitude = .infinity
        case ...(-324): magnitude = 0
        default:
            let text = "0." + String(decoding: digits.map { $0 + .zero }, as: UTF8.self) + "e\(exponent)"
            magnitude = Double(text) ?? .infinity
        }
        return isNegative ? -magnitude : magnitude
    }

    /// Whether a text of JSON's number grammar is so large that no finite `Double` is nearest.
    ///
    /// Seventeen digits decide nearly always, so that a document full of such numbers is not slow.
    static func isBeyondDouble(_ text: some Sequence<UInt8>) -> Bool {
        let leading = JSONDecimal(text, maximumDigits: overflow.count)
        guard leading.exponent == 309 else { return leading.exponent > 309 }
        let digits = leading.digits.prefix(overflow.count)
        guard digits.elementsEqual(overflow) else { return overflow.lexicographicallyPrecedes(digits) }
        return JSONDecimal(text, maximumDigits: digitsForDouble).double.isInfinite
    }

    /// How the smallest number that rounds to infinity begins: 2^1024 - 2^970.
    private static let overflow: [UInt8] = [1, 7, 9, 7, 6, 9, 3, 1, 3, 4, 8, 6, 2, 3, 1, 5, 8]

    private static let maximumExponent = 1_000_000_000_000_000
}
