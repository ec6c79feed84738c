/// Text from a store on its way to a terminal, which would obey what is not a letter.
enum TerminalText {
    /// The text with what moves the cursor, colours, reorders or hides escaped, as JSON does it.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { !$0.isPlain }) else { return text }
        var shown = ""
        for scalar in text.unicodeScalars { shown += scalar.isPlain ? String(scalar) : escape(scalar) }
        return shown
    }

    /// The text in quotes.
    static func quoted(_ text: String) -> String {
        var shown = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": shown += "\\\(scalar)"
            default: shown += scalar.isPlain ? String(scalar) : escape(scalar)
            }
        }
        return shown + "\""
    }

    /// How many columns a terminal gives the text, as far as Unicode says.
    static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + $1.columns }
    }

    /// The beginning of the text that has room, with a mark when that is not all.
    static func cut(_ text: String, to room: Int) -> String {
        // A scalar has four bytes at most, so this needs no look at most texts.
        guard text.utf8.count > room, width(text) > room else { return text }
        var (shown, left) = ("", room - 1)
        for scalar in text.unicodeScalars {
            guard scalar.columns <= left else { break }
            left -= scalar.columns
            shown.unicodeScalars.append(scalar)
        }
        return room < 1 ? "" : shown + "…"
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: return String(scalar).utf16.map { "\\u" + fourDigits($0) }.joined()
        }
    }

    private static func fourDigits(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}

extension Unicode.Scalar {
    /// Whether a terminal shows it and does nothing else.
    fileprivate var isPlain: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: return false
        // Joins emoji and letters; the others change the direction, or are not seen.
        case .format: return value == 0x200D || value == 0x200C
        default: return true
        }
    }

    fileprivate var columns: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
