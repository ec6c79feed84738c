/// A number as it was written: integers of any size, `1.0` distinct from `1`, `1e16` as sent.
///
/// Two are `==` when their texts are; `isEqual(_:)` compares values.
package struct JSONNumber: Sendable, Hashable {
    /// The text, in JSON's number grammar.
    package let text: String

    package init(_ value: Int) {
        text = String(value)
    }

    /// A number from text that is known to be a JSON number.
    package init(trusted text: String) {
        self.text = text
    }

    /// Whether it has neither a fraction nor an exponent.
    package var isInteger: Bool {
        !text.utf8.contains { $0 == .point || $0.isExponentMark }
    }

    /// The nearest `Double`; infinite when it is beyond all of them.
    package var double: Double {
        let decimal = JSONDecimal(text.utf8, maximumDigits: JSONDecimal.digitsForDouble)
        // A decimal zero has no sign, a Double has.
        return decimal.isZero && text.utf8.first == .minus ? -0.0 : decimal.double
    }

    /// The value of an integer text that fits; nil for `1.0` and `1e2` as for what is too large.
    package var int: Int? {
        Int(text)
    }

    /// Whether both are the same decimal value, exactly: 1, 1.0 and 10e-1 are, 0.1 and 0.10000000000000001 are not.
    package func isEqual(_ other: JSONNumber) -> Bool {
        text == other.text || decimal == other.decimal
    }

    var decimal: JSONDecimal { JSONDecimal(text.utf8) }
}
