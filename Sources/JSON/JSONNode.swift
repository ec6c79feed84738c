/// What a recorded value is.
package enum JSONKind: UInt8, Sendable {
    /// There is no such member.
    case missing
    case null
    case `false`
    case `true`
    case number
    /// `NaN`, `Infinity` or `-Infinity`, where the shape allows a number.
    case nonFinite
    case string
    case array
    case object
}

/// A recorded value: what it is and where; its `JSONDocument` reads it.
package struct JSONNode: Sendable {
    package let kind: JSONKind

    /// Whether a number that is recorded, or in something recorded as a `value`, is beyond a `Double` (`1e400`).
    ///
    /// Of a shaped array or object it tells whether any recorded part says so; members that are not recorded do not
    /// count.
    package let hasUnrepresentableNumber: Bool

    /// Whether the string must be unescaped to be read.
    package let hasEscapes: Bool

    private let startOffset: UInt32
    private let endOffset: UInt32

    /// The first member's slot or the first element, 0 when there is none: node 0 is the root.
    let firstChild: UInt32

    /// Member slots or elements.
    let childCount: UInt32

    /// The element after this one, 0 when it is the last or no element.
    var next: UInt32 = 0

    /// No value, as an absent member has.
    static let missing = JSONNode(kind: .missing, range: 0..<0)

    init(
        kind: JSONKind,
        range: Range<Int>,
        hasEscapes: Bool = false,
        hasUnrepresentableNumber: Bool = false,
        firstChild: Int = 0,
        childCount: Int = 0
    ) {
        self.kind = kind
        self.hasEscapes = hasEscapes
        self.hasUnrepresentableNumber = hasUnrepresentableNumber
        startOffset = UInt32(range.lowerBound)
        endOffset = UInt32(range.upperBound)
        self.firstChild = UInt32(firstChild)
        self.childCount = UInt32(childCount)
    }

    /// The byte offset of the value's first byte; 0 when missing.
    package var start: Int { Int(startOffset) }

    /// The byte offset after the value's last byte; 0 when missing.
    package var end: Int { Int(endOffset) }

    /// How many elements an array has of which the shape records the elements, else 0.
    package var elementCount: Int { kind == .array ? Int(childCount) : 0 }
}
