/// The bytes of JSON's grammar by name.
extension UInt8 {
    static var quote: UInt8 { 0x22 }
    static var backslash: UInt8 { 0x5C }
    static var openBrace: UInt8 { 0x7B }
    static var closeBrace: UInt8 { 0x7D }
    static var openBracket: UInt8 { 0x5B }
    static var closeBracket: UInt8 { 0x5D }
    static var comma: UInt8 { 0x2C }
    static var colon: UInt8 { 0x3A }
    static var minus: UInt8 { 0x2D }
    static var plus: UInt8 { 0x2B }
    static var point: UInt8 { 0x2E }
    static var zero: UInt8 { 0x30 }
    static var space: UInt8 { 0x20 }

    /// Whether this is one of `0` … `9`.
    var isDigit: Bool { self &- .zero < 10 }

    /// Whether this is `e` or `E`.
    var isExponentMark: Bool { self | 0x20 == UInt8(ascii: "e") }

    /// The value of a hexadecimal digit of either case, nil for any other byte.
    var hexadecimalValue: UInt32? {
        switch self {
        case 0x30...0x39: UInt32(self - 0x30)
        case 0x41...0x46: UInt32(self - 0x41 + 10)
        case 0x61...0x66: UInt32(self - 0x61 + 10)
        default: nil
        }
    }
}
