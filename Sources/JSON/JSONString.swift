/// The value of a JSON string, which need not be Unicode text.
///
/// JSON can spell half of a surrogate pair (`\ud800`), Python keeps it, and no `String` can hold it. So the value is
/// WTF-8 (https://simonsapin.github.io/wtf-8/): UTF-8 in which a lone surrogate is three bytes. Two are equal when
/// their bytes are; nothing is normalised.
package struct JSONString: Sendable, Hashable, ExpressibleByStringLiteral {
    package let wtf8: [UInt8]

    package init(_ string: String) {
        wtf8 = [UInt8](string.utf8)
    }

    package init(stringLiteral value: String) {
        self.init(value)
    }

    init(wtf8: [UInt8]) {
        self.wtf8 = wtf8
    }

    /// The text; nil when the value has a lone surrogate.
    package var string: String? {
        String(validating: wtf8, as: UTF8.self)
    }

    /// Where in `wtf8` the three bytes of each lone surrogate begin, in order.
    var surrogates: [Int] {
        // Nearly no string has the lead byte; this looks at all bytes at once rather than at one after the other.
        guard wtf8.reduce(false, { $0 || $1 == Self.surrogateLead }) else { return [] }
        return wtf8.indices.filter { wtf8[$0] == Self.surrogateLead && wtf8[$0 + 1] >= 0xA0 }
    }

    /// The first byte of U+D000 … U+DFFF; a second byte from 0xA0 on makes it a surrogate.
    private static let surrogateLead: UInt8 = 0xED
}
