/// What a parser accepts at most, so that a hostile document costs no more than an honest one of its size.
package struct JSONLimits: Sendable {
    /// Containers that may be open at once.
    ///
    /// The default admits a request body, a member of it, and 1,000 levels inside that member. `JSONValue` recurses
    /// once per level; a much larger limit needs a larger stack.
    package var maximumDepth: Int

    /// Digits an integer (no fraction, no exponent) may have, the sign not counted; the default is CPython's.
    package var maximumIntegerDigits: Int

    /// Elements of shaped arrays that one `JSONDocument` records, all arrays together.
    ///
    /// An element costs 24 bytes, and as much again for every field of its shape.
    package var maximumRecordedElements: Int

    /// Values inside those parts of a document that no shape describes, all parts together.
    ///
    /// As a `JSONValue` each costs up to some 150 bytes, which may be many times what it has in the text.
    package var maximumOtherValues: Int

    package init(
        maximumDepth: Int = 1_002,
        maximumIntegerDigits: Int = 4_300,
        maximumRecordedElements: Int = 1_000_000,
        maximumOtherValues: Int = .max
    ) {
        self.maximumDepth = maximumDepth
        self.maximumIntegerDigits = maximumIntegerDigits
        self.maximumRecordedElements = maximumRecordedElements
        self.maximumOtherValues = maximumOtherValues
    }

    /// The limits of what is stored, exported or configured.
    package static let `default` = JSONLimits()

    /// The limits of a request body.
    package static let request = JSONLimits(maximumOtherValues: 1_000_000)
}
