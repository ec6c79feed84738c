import JSON

/// The name of a claim, or the way to one in an object: `realm.tenant`.
struct ClaimPath: Sendable {
    private let name: String
    private let steps: [String]

    init(_ name: String) {
        self.name = name
        steps = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    /// The claim's value; that of exactly this name if there is one, as names may be URLs and have dots.
    func value(in claims: JSONValue) -> JSONValue? {
        if let value = claims[name] { return value }
        guard steps.count > 1 else { return nil }
        var value = claims
        for step in steps {
            guard let next = value[step] else { return nil }
            value = next
        }
        return value
    }
}
