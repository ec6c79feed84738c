package import JSON

/// The channels that LangGraph keeps for itself.
package enum LangGraphChannel {
    package static let interrupt = "__interrupt__"
    package static let error = "__error__"
    package static let resume = "__resume__"
    /// What follows is the node that runs next, when the channel has a value.
    static let branch = "branch:to:"

    package static func isInner(_ name: JSONString) -> Bool {
        ["__", "branch:", "join:"].contains { name.wtf8.starts(with: $0.utf8) }
    }

    /// The graph's own channels before LangGraph's, each in the order of their names' bytes.
    package static func precedes(_ left: JSONString, _ right: JSONString) -> Bool {
        let (isLeftInner, isRightInner) = (isInner(left), isInner(right))
        if isLeftInner != isRightInner { return isRightInner }
        return left.wtf8.lexicographicallyPrecedes(right.wtf8)
    }

    /// The node that a pending write's task ran, as its task path says; nil for the path of a `Send`, which has a number.
    package static func node(ofTaskPath path: String) -> String? {
        let pulled = "~__pregel_pull, "
        return path.hasPrefix(pulled) ? String(path.dropFirst(pulled.count)) : nil
    }

    /// Which of a checkpoint's sends a pending write's task ran, as its task path says; nil for any other task.
    package static func send(ofTaskPath path: String) -> Int? {
        let pushed = "~__pregel_push, "
        return path.hasPrefix(pushed) ? Int(path.dropFirst(pushed.count).prefix { $0 != "," }) : nil
    }
}
