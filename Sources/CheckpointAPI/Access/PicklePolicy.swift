/// Refuses Python pickles where an operator wants none: whoever loads one runs what it says.
///
/// The server itself builds nothing from any blob.
struct PicklePolicy {
    private let refusesPickle: Bool

    init(_ rules: CallRules) {
        refusesPickle = rules.limits.refusesPickle
    }

    /// Throws for serialisation types that are `pickle`, or begin with `pickle+` as encrypted ones do, of the elements of
    /// a list of the body.
    func require(_ types: [String?], in list: String) throws(ValidationError) {
        guard refusesPickle else { return }
        var problems = Problems()
        for (index, type) in types.enumerated() where Self.isPickle(type ?? "") {
            problems.element = (list, index)
            problems.add(.pickle, at: "type")
        }
        guard problems.isEmpty else { throw ValidationError(problems: problems.found) }
    }

    private static func isPickle(_ type: String) -> Bool {
        let name = type.lowercased()
        return name == "pickle" || name.hasPrefix("pickle+")
    }
}
