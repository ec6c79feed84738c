/// Random valid documents, and ways to break them.
struct DocumentGenerator {
    var random: SeededGenerator

    init(stream: UInt64) {
        random = SeededGenerator(stream: stream)
    }

    mutating func document() -> String {
        space() + value(depth: 0) + space()
    }

    /// The document with one to three changes, which may leave it valid.
    mutating func broken(_ document: String) -> String {
        var scalars = Array(document.unicodeScalars)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0...scalars.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: scalars.removeSubrange(index...)
            case 1: scalars.insert(contentsOf: fragment().unicodeScalars, at: index)
            case 2 where index < scalars.count: scalars.remove(at: index)
            case 3 where index < scalars.count:
                scalars.replaceSubrange(index...index, with: fragment().unicodeScalars)
            case 4 where index < scalars.count: scalars.insert(scalars[index], at: index)
            case 5 where index + 1 < scalars.count: scalars.swapAt(index, index + 1)
            default: break
            }
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private mutating func value(depth: Int) -> String {
        switch Int.random(in: 0..<(depth < 4 ? 10 : 6), using: &random) {
        case 0: return ["null", "true", "false"].randomElement(using: &random) ?? "null"
        case 1, 2: return number()
        case 3...5: return string()
        case 6, 7:
            let elements = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                space() + value(depth: depth + 1) + space()
            }
            return "[" + (elements.isEmpty ? space() : elements.joined(separator: ",")) + "]"
        default:
            let members = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                space() + (Bool.random(using: &random) ? "\"a\"" : string()) + space() + ":" + space()
                    + value(depth: depth + 1) + space()
            }
            return "{" + (members.isEmpty ? space() : members.joined(separator: ",")) + "}"
        }
    }

    mutating func number() -> String {
        var text = Bool.random(using: &random) ? "-" : ""
        text += Bool.random(using: &random) ? "0" : String(Int.random(in: 1...Int.max, using: &random))
        if Bool.random(using: &random) { text += "." + digits(upTo: 20) }
        if Int.random(in: 0..<3, using: &random) == 0 {
            text += ["e", "E", "e+", "E-", "e-"].randomElement(using: &random) ?? "e"
            text += digits(upTo: 2)
        }
        return text
    }

    mutating func digits(upTo count: Int) -> String {
        let digits = (0..<Int.random(in: 1...count, using: &random)).map { _ in
            String(Int.random(in: 0...9, using: &random))
        }
        return digits.joined()
    }

    private mutating func string() -> String {
        let parts = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            Self.stringParts.randomElement(using: &random) ?? ""
        }
        return "\"" + parts.joined() + "\""
    }

    private mutating func space() -> String {
        ["", "", "", " ", "\n", "\t", "\r\n", "          "].randomElement(using: &random) ?? ""
    }

    private mutating func fragment() -> String {
        Self.fragments.randomElement(using: &random) ?? ""
    }

    private static let stringParts = [
        "a", "plain text, longer than a word", "é", "日本語", "😀", "\u{7F}", "\u{2028}", "\\n", "\\\"", "\\\\", "\\/",
        "\\u0000", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\uD83D\\u0041", "{", "]", ":", ",",
    ]

    private static let fragments = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\u12", "\\ud83d\\u", "\\x", "-", "+", ".", "e", "E1", "0",
        "1",
        "01", "nul", "null", "true", "fals", " ", "\n", "\t", "\u{B}", "\u{0}", "\u{1F}", "\u{A0}", "é", "😀", "/", "'",
        "[]",
        "{}", "[,", ",]", ",}", "{,", "\"\"", "\"a\":", "::", "1.", "1e", "1.5e+",
    ]
}
