/// Goes through a document once, recording what the shape names and checking the rest.
///
/// It recurses as deep as the shape, never as deep as the document.
struct JSONRecorder {
    private var scanner: JSONScanner
    private(set) var nodes: [JSONNode] = []
    private var recordedElements = 0

    init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) {
        scanner = JSONScanner(bytes, limits: limits, notesUnrepresentableNumbers: true)
        // Enough for a request of a few writes.
        nodes.reserveCapacity(64)
    }

    mutating func recordDocument(_ shape: JSONShape) throws(JSONError) {
        guard scanner.bytes.count <= UInt32.max else { throw scanner.failure(.tooLarge, at: 0) }
        scanner.skipWhitespace()
        nodes.append(.missing)
        try record(shape, at: 0)
        try scanner.finish()
    }

    private mutating func record(_ shape: JSONShape, at slot: Int) throws(JSONError) {
        switch shape {
        case .object(let fields) where scanner.current == .openBrace:
            try recordObject(fields, at: slot)
        case .array(let element) where scanner.current == .openBracket:
            try recordArray(of: element, at: slot)
        case .number:
            let start = scanner.position
            if scanner.skipNonFinite() {
                nodes[slot] = JSONNode(kind: .nonFinite, range: start..<scanner.position)
            } else {
                try recordValue(at: slot)
            }
        case .value, .array, .object:
            try recordValue(at: slot)
        }
    }

    private mutating func recordValue(at slot: Int) throws(JSONError) {
        let start = scanner.position
        let kind: JSONKind
        var hasEscapes = false
        scanner.sawUnrepresentableNumber = false
        switch scanner.current {
        case .quote:
            kind = .string
            hasEscapes = try scanner.scanString().hasEscapes
        case .openBrace:
            kind = .object
            try scanner.skipValue()
        case .openBracket:
            kind = .array
            try scanner.skipValue()
        case UInt8(ascii: "t"):
            kind = .true
            try scanner.skipLiteral("true")
        case UInt8(ascii: "f"):
            kind = .false
            try scanner.skipLiteral("false")
        case UInt8(ascii: "n"):
            kind = .null
            try scanner.skipLiteral("null")
        default:
            kind = .number
            try scanner.scanNumber()
        }
        nodes[slot] = JSONNode(
            kind: kind,
            range: start..<scanner.position,
            hasEscapes: hasEscapes,
            hasUnrepresentableNumber: scanner.sawUnrepresentableNumber
        )
    }

    private mutating func recordObject(_ fields: JSONFields, at slot: Int) throws(JSONError) {
        let start = scanner.position
        var members = 0..<0
        var expected = 0
        if try scanner.openObject() {
            repeat {
                let name = try scanner.scanKey()
                guard let index = fieldIndex(of: name, in: fields, expected: expected) else {
                    try scanner.skipValue()
                    continue
                }
                if members.isEmpty {
                    members = nodes.count..<nodes.count + fields.shapes.count
                    nodes.append(contentsOf: repeatElement(.missing, count: members.count))
                }
                try record(fields.shapes[index], at: members.lowerBound + index)
                expected = index + 1
            } while try scanner.continueObject()
        }
        nodes[slot] = JSONNode(
            kind: .object,
            range: start..<scanner.position,
            hasUnrepresentableNumber: members.contains { nodes[$0].hasUnrepresentableNumber },
            firstChild: members.lowerBound,
            childCount: members.count
        )
    }

    private mutating func recordArray(of element: JSONShape, at slot: Int) throws(JSONError) {
        let start = scanner.position
        var (first, last, count) = (0, 0, 0)
        var hasUnrepresentableNumber = false
        if try scanner.openArray() {
            repeat {
                guard recordedElements < scanner.limits.maximumRecordedElements else {
                    throw scanner.failure(.tooManyElements, at: scanner.position)
                }
                recordedElements += 1
                let current = nodes.count
                nodes.append(.missing)
                try record(element, at: current)
                hasUnrepresentableNumber = hasUnrepresentableNumber || nodes[current].hasUnrepresentableNumber
                if count == 0 {
                    first = current
                } else {
                    nodes[last].next = UInt32(current)
                }
                last = current
                count += 1
            } while try scanner.continueArray()
        }
        nodes[slot] = JSONNode(
            kind: .array,
            range: start..<scanner.position,
            hasUnrepresentableNumber: hasUnrepresentableNumber,
            firstChild: first,
            childCount: count
        )
    }

    @inline(__always)
    private func fieldIndex(of name: JSONScanner.StringToken, in fields: JSONFields, expected: Int) -> Int? {
        let content = UnsafeRawBufferPointer(rebasing: scanner.bytes[name.content])
        guard name.hasEscapes else { return fields.index(of: content, expected: expected) }
        return JSONScanner.unescape(content).withUnsafeBytes { fields.index(of: $0, expected: expected) }
    }
}
