extension JSONText {
    /// The text of one member of the object that this is, the last when there are several; nil when there is none, or
    /// this is no object.
    ///
    /// `field` names it alone. Costs one pass over the bytes, without a tree, and a copy of the member. Throws for what is
    /// not JSON.
    package func member(_ field: JSONFields) throws(JSONError) -> JSONText? {
        try bytes.withUnsafeBufferPointer { (bytes) throws(JSONError) in
            let document = try JSONDocument(parsing: UnsafeRawBufferPointer(bytes), shape: .object(field))
            let node = document.member(0, of: document.root)
            return node.kind == .missing ? nil : document.text(of: node)
        }
    }
}
