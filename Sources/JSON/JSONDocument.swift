/// A request body read in one pass into the values its shape names, with no tree and usually one allocation.
///
/// Valid only while its bytes are: it keeps the pointer, so it belongs inside `withUnsafeBytes`. Numbers beyond a
/// `Double` are noted on the recorded node that has them (`hasUnrepresentableNumber`) rather than refused, so that the
/// caller can name the field.
package struct JSONDocument {
    package let root: JSONNode
    private let bytes: UnsafeRawBufferPointer
    private let nodes: [JSONNode]

    /// Checks the whole document, white space around it allowed, and records what the shape names.
    package init(
        parsing bytes: UnsafeRawBufferPointer,
        shape: JSONShape,
        limits: JSONLimits = .default
    ) throws(JSONError) {
        var recorder = JSONRecorder(bytes, limits: limits)
        try recorder.recordDocument(shape)
        self.bytes = bytes
        nodes = recorder.nodes
        root = nodes[0]
    }

    /// The member of a shaped object with that index in its `JSONFields`, the last when there are several.
    ///
    /// Its kind is `missing` when the object has none, or is not an object, or its shape records no members.
    package func member(_ index: Int, of object: JSONNode) -> JSONNode {
        guard object.kind == .object, index < object.childCount else { return .missing }
        return nodes[Int(object.firstChild) + index]
    }

    /// Calls `body` with index and node of each element of a shaped array, in order; never for anything else.
    package func forEachElement<Failure: Error>(
        of array: JSONNode,
        _ body: (Int, JSONNode) throws(Failure) -> Void
    ) throws(Failure) {
        var element = Int(array.firstChild)
        for index in 0..<array.elementCount {
            let node = nodes[element]
            try body(index, node)
            element = Int(node.next)
        }
    }

    /// The exact text of a node, copied; `null` for what is not JSON: a missing member, `NaN` and the infinities.
    package func text(of node: JSONNode) -> JSONText {
        guard node.kind != .missing, node.kind != .nonFinite else { return JSONValue.null.text }
        return JSONText(trusted: [UInt8](bytes[node.start..<node.end]))
    }

    /// The value of a node, which must be a string, unescaped.
    package func string(of node: JSONNode) -> JSONString {
        precondition(node.kind == .string, "Only a string node has a string value")
        return JSONString(wtf8: node.hasEscapes ? JSONScanner.unescape(content(of: node)) : [UInt8](content(of: node)))
    }

    /// The text of a string node, nil when it has a lone surrogate or is not a string.
    package func utf8String(of node: JSONNode) -> String? {
        guard node.kind == .string else { return nil }
        guard node.hasEscapes else { return String(decoding: content(of: node), as: UTF8.self) }
        return string(of: node).string
    }

    /// The bytes a string node stands for in canonical base64 (see `Base64.decode`), nil when it is not that.
    package func base64(of node: JSONNode) -> [UInt8]? {
        guard node.kind == .string else { return nil }
        guard node.hasEscapes else { return Base64.decode(content(of: node)) }
        return JSONScanner.unescape(content(of: node)).withUnsafeBytes { Base64.decode($0) }
    }

    /// The number of a node, which must be a number, as written.
    package func number(of node: JSONNode) -> JSONNumber {
        precondition(node.kind == .number, "Only a number node has a number")
        return JSONNumber(trusted: String(decoding: bytes[node.start..<node.end], as: UTF8.self))
    }

    /// What is between the quotes of a string node.
    private func content(of node: JSONNode) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[node.start + 1..<node.end - 1])
    }
}
