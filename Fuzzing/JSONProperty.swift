@testable import JSON

/// JSON is taken or refused alike however it is read, and what is taken is kept.
enum JSONProperty {
    static func check(_ input: [UInt8]) {
        switch (scanned(input), parsed(input)) {
        case (.success(let text), .success(let value)):
            require(text.bytes == input, "a text is the bytes that came")
            checkWriting(value)
            checkDocument(input, value)
            checkShape(input, value)
        case (.failure(let one), .failure(let other)):
            require(one == other, "scanner: \(one), parser: \(other)")
            checkRefused(input, other)
        case (.success, .failure(let error)): require(false, "the scanner takes what the parser refuses: \(error)")
        case (.failure(let error), .success): require(false, "the parser takes what the scanner refuses: \(error)")
        }
    }

    private static func scanned(_ input: [UInt8]) -> Result<JSONText, JSONError> {
        Result { () throws(JSONError) in try JSONText(parsing: input) }
    }

    private static func parsed(_ input: [UInt8]) -> Result<JSONValue, JSONError> {
        Result { () throws(JSONError) in try JSONValue(parsing: input) }
    }

    /// What is written says the same, number for number, and is written the same again.
    private static func checkWriting(_ value: JSONValue) {
        let text = subject(value.text) { text in
            // A writer that takes a tab for a space.
            let shown = String(decoding: text.bytes, as: UTF8.self)
            return JSONText(trusted: Array(shown.replacing("\\t", with: " ").utf8))
        }
        guard case .success(let again) = parsed(text.bytes) else { return require(false, "what is written is JSON") }
        require(again == value, "what is written says the same")
        require(again.text == text, "and is written the same again")
    }

    /// The document that only notes where its value is.
    private static func checkDocument(_ input: [UInt8], _ value: JSONValue) {
        input.withUnsafeBytes { bytes in
            guard let document = try? JSONDocument(parsing: bytes, shape: .value) else {
                return require(false, "a document takes what the parser takes")
            }
            let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
            let text = document.text(of: document.root).bytes
            let trimmed = input.drop { spaces.contains($0) }.reversed().drop { spaces.contains($0) }.reversed()
            require(text.elementsEqual(trimmed), "a value's text is the bytes that came, without the space around it")
            require(!document.root.hasUnrepresentableNumber, "the parser refuses such numbers")
            if case .string(let string) = value {
                require(document.string(of: document.root) == string, "a string is read alike")
                require(document.utf8String(of: document.root) == string.string, "and as text")
            }
        }
    }

    private static let element = JSONShape.object(JSONFields([("c", .number), ("d", .value)]))
    private static let shape = JSONShape.object(JSONFields([("a", .value), ("list", .array(element))]))

    /// The document that notes its members.
    private static func checkShape(_ input: [UInt8], _ value: JSONValue) {
        input.withUnsafeBytes { bytes in
            guard let document = try? JSONDocument(parsing: bytes, shape: shape) else {
                return require(false, "a shape takes what the parser takes")
            }
            func compare(_ node: JSONNode, _ expected: JSONValue?) {
                require((node.kind == .missing) == (expected == nil), "a member is there or not")
                guard let expected else { return }
                require(parsed(document.text(of: node).bytes) == .success(expected), "a member is the last of its name")
            }
            compare(document.member(0, of: document.root), value["a"])
            let list = document.member(1, of: document.root)
            compare(list, value["list"])
            guard case .array(let elements) = value["list"] else { return }
            var count = 0
            document.forEachElement(of: list) { index, node in
                compare(node, elements[index])
                compare(document.member(0, of: node), elements[index]["c"])
                count += 1
            }
            require(count == elements.count, "every element is there")
        }
    }

    /// A document takes only one thing that the parser refuses.
    private static func checkRefused(_ input: [UInt8], _ error: JSONError) {
        input.withUnsafeBytes { bytes in
            guard let document = try? JSONDocument(parsing: bytes, shape: .value) else { return }
            require(error.kind == .numberOutOfRange, "a document takes what the parser refuses: \(error)")
            require(document.root.hasUnrepresentableNumber, "and says so")
        }
    }
}
