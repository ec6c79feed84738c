import JSON
import Testing

/// What a shaped document tolerates, notes and refuses.
@Suite("Limits of documents", .timeLimit(.minutes(5)))
struct JSONDocumentLimitsTests {
    private static let shape = JSONShape.object(
        JSONFields([
            ("n", .number), ("v", .value), ("list", .array(.object(JSONFields([("n", .number), ("v", .value)])))),
        ])
    )

    private func read<Result>(
        _ text: String,
        shape: JSONShape = shape,
        limits: JSONLimits = .default,
        _ inspect: (JSONDocument) throws -> Result
    ) throws -> Result {
        try Array(text.utf8).withUnsafeBytes { try inspect(JSONDocument(parsing: $0, shape: shape, limits: limits)) }
    }

    private func error(_ text: String, shape: JSONShape = shape, limits: JSONLimits = .default) -> JSONError? {
        do {
            return try read(text, shape: shape, limits: limits) { _ in nil }
        } catch {
            return error as? JSONError
        }
    }

    @Test("NaN and the infinities are accepted where a number belongs", arguments: ["NaN", "Infinity", "-Infinity"])
    func nonFinite(_ literal: String) throws {
        try read("{\"n\": \(literal) }") { document in
            let node = document.member(0, of: document.root)
            #expect(node.kind == .nonFinite)
            #expect(node.start == 6)
            #expect(node.end == 6 + literal.utf8.count)
            #expect(document.text(of: node).bytes == Array("null".utf8))
        }
        try read("{\"list\":[{\"n\":\(literal)}]}") { document in
            document.forEachElement(of: document.member(2, of: document.root)) { _, element in
                #expect(document.member(0, of: element).kind == .nonFinite)
            }
        }
    }

    @Test(
        "NaN and the infinities are refused everywhere else, where they stand",
        arguments: [
            ("{\"v\":NaN}", 5), ("{\"v\":[Infinity]}", 6), ("{\"x\":-Infinity}", 5), ("{\"n\":[NaN]}", 6), ("NaN", 0),
            ("{\"list\":[NaN]}", 9), ("{\"n\":{\"n\":NaN}}", 10), ("{\"n\":-Inf}", 5), ("{\"n\":nan}", 5),
            ("{\"n\":Na}", 5),
        ]
    )
    func nonFiniteElsewhere(_ text: String, _ offset: Int) {
        let error = error(text)
        #expect(error?.kind == .expectedValue)
        #expect(error?.offset == offset)
    }

    @Test("What follows an accepted NaN is still checked")
    func garbageAfterNaN() {
        #expect(error("{\"n\":NaNa}")?.kind == .expectedComma)
        #expect(error("{\"n\":NaN")?.kind == .expectedComma)
        #expect(error("NaN1", shape: .number)?.kind == .trailingData)
        #expect(error("NaN", shape: .number) == nil)
    }

    @Test("A number beyond a Double is noted on what records it, and ignored where nothing does")
    func unrepresentableNumbers() throws {
        let cases: [(String, n: Bool, v: Bool, list: Bool)] = [
            (#"{"n":1e400,"v":1}"#, true, false, false), (#"{"n":1,"v":-1e400}"#, false, true, false),
            (#"{"v":[1,{"a":[2,1e999]}],"n":1}"#, false, true, false),
            (#"{"v":{"1e400":1},"n":1e308}"#, false, false, false),
            (#"{"x":1e400,"n":1,"y":[1e400],"v":2}"#, false, false, false),
            (#"{"list":[{"n":1},{"v":[1e400]}]}"#, false, false, true),
            (#"{"list":[{"v":1e400},{"v":1}]}"#, false, false, true),
            (#"{"list":[{"x":1e400}],"n":1}"#, false, false, false), (#"{"list":[1e400]}"#, false, false, true),
            (#"{"n":1e400,"n":1}"#, false, false, false), (#"{"v":1,"v":1e400}"#, false, true, false),
            (#"{"v":"1e400"}"#, false, false, false),
            (#"{"v":[1e400],"n":NaN}"#, false, true, false), (#"{"n":123456789e400}"#, true, false, false),
        ]
        for (text, inNumber, inValue, inList) in cases {
            try read(text) { document in
                let nodes = (0..<3).map { document.member($0, of: document.root) }
                #expect(nodes.map(\.hasUnrepresentableNumber) == [inNumber, inValue, inList], "\(text)")
                #expect(document.root.hasUnrepresentableNumber == (inNumber || inValue || inList), "\(text)")
            }
        }
    }

    @Test("Recorded elements are counted over all arrays, and one too many is refused where it begins")
    func recordedElements() throws {
        let limits = JSONLimits(maximumRecordedElements: 5)
        let shape = JSONShape.array(.array(.value))
        #expect(error("[[1,2],[3]]", shape: shape, limits: limits) == nil)
        let refused = error("[[1,2],[\"é\", 4]]", shape: shape, limits: limits)
        #expect(refused?.kind == .tooManyElements)
        #expect(refused?.offset == 14)
        #expect(refused?.characterOffset == 13)
        #expect(refused?.reason == "Too many array elements")
        #expect(error("[[1,2,3,4,5,6]]", shape: .array(.value), limits: limits) == nil, "only recorded ones count")
        #expect(error("[1,2,3,4,5,6,7]", shape: .value, limits: limits) == nil)
        #expect(error("[]", shape: shape, limits: JSONLimits(maximumRecordedElements: 0)) == nil)
        #expect(error("[1]", shape: shape, limits: JSONLimits(maximumRecordedElements: 0))?.offset == 1)
    }

    @Test("Values that no shape describes are counted over all of them, and one too many is refused where it begins")
    func otherValues() {
        let limits = JSONLimits(maximumOtherValues: 6)
        #expect(error(#"{"v":[1,[2]],"list":[{"v":{"a":3}}]}"#, limits: limits) == nil)
        let refused = error(#"{"v":["é",[2]],"list":[{"v":{"a":3,"b":4}}]}"#, limits: limits)
        #expect(refused?.kind == .tooManyValues)
        #expect(refused?.offset == 40)
        #expect(refused?.characterOffset == 39)
        #expect(refused?.reason == "Too many values")
        #expect(error(#"{"other":[1,2,3,4,5,6,7]}"#, limits: limits)?.kind == .tooManyValues)
        let described = "{\"list\":[" + String(repeating: "{\"n\":1},", count: 50) + "{\"n\":1}]}"
        #expect(error(described, limits: limits) == nil, "only others count")
    }

    @Test(
        "Depth is counted through recorded and skipped containers alike",
        arguments: [3, 4, 63, 64, 65, 128, 129, 1_002])
    func depth(_ maximum: Int) {
        let limits = JSONLimits(maximumDepth: maximum)
        // The body, the list and its element are three.
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for place in ["v", "x"] {
                func text(_ levels: Int) -> String {
                    "{\"list\":[{\"\(place)\":" + Document.nested(levels, open, close, around: "1") + "}]}"
                }
                #expect(error(text(maximum - 3), limits: limits) == nil)
                let refused = error(text(maximum - 2), limits: limits)
                #expect(refused?.kind == .tooDeep)
                #expect(refused?.offset == 14 + (maximum - 3) * open.utf8.count)
            }
        }
    }

    @Test(
        "Containers of both kinds close in the order in which they were opened, at any depth",
        arguments: [1, 31, 32, 33, 64, 100])
    func mixedNesting(_ levels: Int) {
        let open = (0..<levels).map { $0 % 3 == 0 ? "{\"a\":" : "[" }
        let close = (0..<levels).reversed().map { $0 % 3 == 0 ? "}" : "]" }
        let text = open.joined() + "1" + close.joined()
        #expect(error(text, shape: .value) == nil)
        for index in close.indices {
            var wrong = close
            wrong[index] = wrong[index] == "]" ? "}" : "]"
            #expect(error(open.joined() + "1" + wrong.joined(), shape: .value)?.kind == .expectedComma, "\(index)")
        }
    }

    @Test("Megabytes of opening brackets are refused at the limit, without reading on", arguments: ["[", "{\"a\":"])
    func manyBrackets(_ open: String) {
        let document = Array(String(repeating: open, count: 10_000_000 / open.utf8.count).utf8)
        let elapsed = ContinuousClock().measure {
            for reader in Reader.allCases {
                let error = reader.error(reading: document)
                #expect(error?.kind == .tooDeep)
                #expect(error?.offset == 1_002 * open.utf8.count)
            }
        }
        // Reading all of it would take a debug build some seconds.
        #expect(elapsed < .seconds(2))
    }

    @Test("A document full of numbers at the edge of the range is read in time linear in its size")
    func edgeNumbers() {
        let numbers = Array(repeating: "1.7976931348623157e308", count: 20_000).joined(separator: ",")
        #expect(error("[\(numbers)]", shape: .value) == nil)
        let digits = String(repeating: "9", count: 1_000_000)
        #expect(error("{\"v\":0.\(digits)}") == nil)
        #expect(error("{\"v\":\(digits)}")?.kind == .integerTooLong)
        #expect(error("{\"v\":\(digits)e1}") == nil)
        #expect(error("[\(digits)e1]", shape: .value) == nil)
    }
}
