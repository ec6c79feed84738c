import Foundation
import JSON
import Testing

/// Numbers keep their text, compare by exact value, and print as Python would print them.
@Suite("Numbers", .timeLimit(.minutes(5)))
struct JSONNumberTests {
    private static let pythonTexts: [(String, String)] = [
        // Integers of every spelling.
        ("0", "0"), ("-0", "0"), ("1", "1"), ("-17", "-17"), ("1e2", "100"), ("1E+2", "100"), ("1.5e1", "15"),
        ("-1.5e1", "-15"), ("1e16", "10000000000000000"), ("0e5", "0"), ("-0e5", "0"), ("0.0e1", "0"),
        ("1.20e2", "120"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("1.0e1", "10"), ("12.5e3", "12500"),
        // Floats of every spelling.
        ("1.0", "1.0"), ("1.00", "1.0"), ("0.10", "0.1"), ("-0.0", "0.0"), ("0.0", "0.0"), ("0e-3", "0.0"),
        ("1e-7", "1e-07"), ("12345678901234567890123.5", "1.2345678901234568e+22"), ("100.0", "100.0"),
        ("1.0000000000000000001", "1.0"), ("1.50e1", "15.0"), ("0.0001", "0.0001"), ("0.00001", "1e-05"),
        ("0.000123", "0.000123"), ("-2.5", "-2.5"), ("10e-1", "1.0"), ("1234567890123456.5", "1234567890123456.5"),
        ("9999999999999998.0", "9999999999999998.0"), ("10000000000000000.0", "1e+16"), ("1e-100", "1e-100"),
        ("123456e-10", "1.23456e-05"), ("5e-324", "5e-324"), ("1e-400", "0.0"), ("-1e-400", "-0.0"),
        ("1e-99999999999999999999", "0.0"), ("179769313486231570.5", "1.7976931348623158e+17"),
        // What no numeric can hold stays as it is.
        ("1e999999999", "1e999999999"), ("-1e99999999999999999999", "-1e99999999999999999999"),
    ]

    @Test("A number prints as Python prints what jsonb returns", arguments: pythonTexts)
    func pythonText(_ text: String, _ expected: String) {
        #expect(JSONNumber(trusted: text).pythonText == expected)
    }

    private static let equal: [(String, String)] = [
        ("1", "1.0"), ("1", "10e-1"), ("1", "0.001e3"), ("-0", "0"), ("0", "0.000e99"), ("-0.0", "0e5"), ("100", "1e2"),
        ("1.10", "1.1"), ("1e400", "10e399"), ("12345678901234567890123456789", "1.2345678901234567890123456789e28"),
        ("1E5", "1e+05"), ("-2.50", "-25e-1"), ("1e-400", "0.1e-399"),
    ]

    private static let unequal: [(String, String)] = [
        ("1", "2"), ("1", "-1"), ("0.1", "0.10000000000000001"), ("1", "10"), ("1e400", "1e401"), ("0", "1e-400"),
        ("12345678901234567890", "12345678901234567891"), ("1", "1.00000000000000000000000001"), ("12", "1.2"),
        ("9007199254740993", "9007199254740992.0"),
    ]

    @Test("Equal decimal values are equal however written", arguments: equal)
    func equalValues(_ left: String, _ right: String) {
        #expect(JSONNumber(trusted: left).isEqual(JSONNumber(trusted: right)))
        #expect(JSONNumber(trusted: right).isEqual(JSONNumber(trusted: left)))
        #expect(JSONNumber(trusted: left) != JSONNumber(trusted: right), "== compares texts")
    }

    @Test("Different decimal values are different however close", arguments: unequal)
    func unequalValues(_ left: String, _ right: String) {
        #expect(!JSONNumber(trusted: left).isEqual(JSONNumber(trusted: right)))
        #expect(!JSONNumber(trusted: right).isEqual(JSONNumber(trusted: left)))
    }

    @Test("An integer is a text without fraction and exponent; its value is nil when an Int cannot hold it")
    func integers() {
        let expected: [(String, Bool, Int?)] = [
            ("0", true, 0), ("-0", true, 0), ("-12", true, -12), ("9223372036854775807", true, .max),
            ("-9223372036854775808", true, .min), ("9223372036854775808", true, nil), ("1.0", false, nil),
            ("1e2", false, nil), ("1E2", false, nil),
        ]
        for (text, isInteger, int) in expected {
            let number = JSONNumber(trusted: text)
            #expect(number.isInteger == isInteger, "\(text)")
            #expect(number.int == int, "\(text)")
        }
        #expect(JSONNumber(-42).text == "-42")
    }

    @Test("The double is the nearest, infinite or zero beyond the ends")
    func doubles() {
        let halfway = "9007199254740993" + "." + String(repeating: "0", count: 800)
        let expected: [(String, Double)] = [
            ("0.1", 0.1), ("-1.5e3", -1500), ("1e400", .infinity), ("-1e400", -.infinity), ("1e-400", 0),
            ("5e-324", .leastNonzeroMagnitude),
            ("2.4703282292062327e-324", 0), ("2.4703282292062328e-324", .leastNonzeroMagnitude),
            ("1.7976931348623157e308", 0x1.FFFFFFFFFFFFFp1023),
            ("1.7976931348623158e308", 0x1.FFFFFFFFFFFFFp1023), ("1.797693134862315808e308", .infinity),
            (halfway, 9_007_199_254_740_992), (halfway + "1", 9_007_199_254_740_994),
            ("1e99999999999999999999", .infinity), ("0e99999999999999999999", 0),
        ]
        for (text, double) in expected {
            #expect(JSONNumber(trusted: text).double == double, "\(text.prefix(40))")
        }
        #expect(JSONNumber(trusted: "-0.0").double.sign == .minus)
    }

    /// Python's view of pairs of numbers; `jsonb` is played by `decimal`, which also keeps the digits after the point.
    private static let script = """
        import sys
        from decimal import Decimal
        from struct import pack
        def printed(text):
            value = Decimal(text)
            if value.as_tuple().exponent >= 0: return str(int(value))
            if value == 0: return "0.0"
            return repr(float(format(value, "f")))
        for line in sys.stdin.read().split("\\n")[:-1]:
            left, right = line.split(" ")
            print(printed(left), pack(">d", float(left)).hex(), Decimal(left) == Decimal(right))
        """

    @Test("Random numbers print, convert and compare as Python does it")
    func agreesWithPython() throws {
        var generator = DocumentGenerator(stream: 3)
        let pairs = (0..<6_000).map { index -> (String, String) in
            let left = index % 3 == 0 ? anyDouble(&generator.random) : generator.number()
            return (left, Bool.random(using: &generator.random) ? respelled(left) : generator.number())
        }
        let answers = try Python.run(Self.script, input: pairs.map { "\($0) \($1)" })
        try #require(answers.count == pairs.count)
        for ((left, right), answer) in zip(pairs, answers) {
            let number = JSONNumber(trusted: left)
            let bits = String(number.double.bitPattern, radix: 16)
            let equal = number.isEqual(JSONNumber(trusted: right)) ? "True" : "False"
            let padded = String(repeating: "0", count: 16 - bits.count) + bits
            #expect(
                "\(number.pythonText) \(padded) \(equal)" == answer,
                "MILEPOST_SEED=\(SeededGenerator.seed) \(left) \(right)")
        }
        #expect(answers.filter { $0.hasSuffix("True") }.count > 1_000)
        #expect(answers.filter { $0.hasSuffix("False") }.count > 1_000)
    }

    /// A finite double of any size, as Swift prints it.
    private func anyDouble(_ random: inout SeededGenerator) -> String {
        let double = Double(bitPattern: UInt64.random(in: 0..<0x7FF0_0000_0000_0000, using: &random))
        return (Bool.random(using: &random) ? double : -double).description
    }

    /// The same value in another spelling.
    private func respelled(_ text: String) -> String {
        let parts = text.split { $0 == "e" || $0 == "E" }
        let mantissa = parts[0].contains(".") ? parts[0] + "00" : parts[0] + ".0"
        return mantissa + "e" + (parts.count == 2 ? "\(Int(parts[1]) ?? 0)" : "0")
    }
}
