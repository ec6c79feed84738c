extension JSONNumber {
    /// What Python's `str()` prints for the number after PostgreSQL's `jsonb` has stored it.
    ///
    /// `jsonb` keeps a `numeric`, which remembers how many digits follow the point (its scale) but neither the exponent
    /// nor a minus on zero. Without digits after the point it comes back as an `int`, else as a `float`: `1e2` prints
    /// as `100`, `1.50e1` as `15.0`. An integer of more digits than a `numeric` can hold keeps its text.
    package var pythonText: String {
        let decimal = decimal
        if scale == 0 {
            return integerText(of: decimal)
        }
        return decimal.isZero ? "0.0" : Self.representation(of: double)
    }

    /// Digits after the point once the exponent is applied, as `numeric` counts them.
    private var scale: Int {
        let parts = text.split(maxSplits: 1) { $0 == "e" || $0 == "E" }
        let mantissa = parts[0].utf8
        let decimals = mantissa.firstIndex(of: .point).map { mantissa[$0...].count - 1 } ?? 0
        guard parts.count == 2 else { return decimals }
        // Of an exponent that no Int32 can hold only the sign matters.
        let exponent = Int32(parts[1]) ?? (parts[1].hasPrefix("-") ? .min : .max)
        return max(0, decimals - Int(exponent))
    }

    private func integerText(of decimal: JSONDecimal) -> String {
        if decimal.isZero { return "0" }
        guard decimal.exponent <= Self.maximumNumericDigits else { return text }
        var characters: [UInt8] = decimal.isNegative ? [.minus] : []
        characters += decimal.digits.map { $0 + .zero }
        characters += repeatElement(.zero, count: decimal.exponent - decimal.digits.count)
        return String(decoding: characters, as: UTF8.self)
    }

    /// Python's `repr(float)` of a finite value.
    ///
    /// Both languages print the shortest digits that read back as the same value; they differ in when they use an
    /// exponent.
    private static func representation(of value: Double) -> String {
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        let sign = value < 0 ? "-" : ""
        let decimal = JSONDecimal(value.magnitude.description.utf8)
        let digits = String(decoding: decimal.digits.map { $0 + .zero }, as: UTF8.self)
        let exponent = decimal.exponent - 1
        switch exponent {
        case 0..<16 where digits.count <= exponent + 1:
            return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
        case 0..<16:
            return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
        case -4..<0:
            return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits
        default:
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            let padding = exponent.magnitude < 10 ? "0" : ""
            return sign + digits.prefix(1) + fraction + (exponent < 0 ? "e-" : "e+") + padding + "\(exponent.magnitude)"
        }
    }

    /// Digits a `numeric` can have before the point.
    ///
    /// https://www.postgresql.org/docs/current/datatype-numeric.html
    private static let maximumNumericDigits = 131_072
}
