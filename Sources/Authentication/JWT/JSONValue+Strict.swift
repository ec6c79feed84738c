import JSON

extension JSONValue {
    /// The JSON object that the bytes are, if nobody can read it differently; nil otherwise.
    ///
    /// No name stands twice in an object, at any depth: readers differ in whether the first or the last counts.
    init?(strictObject bytes: [UInt8]) {
        let limits = JSONLimits(maximumDepth: 16)
        // Which character is wrong is of no use to anybody.
        guard let value = try? JSONValue(parsing: bytes, limits: limits), case .object = value, value.hasUniqueNames
        else { return nil }
        self = value
    }

    private var hasUniqueNames: Bool {
        switch self {
        case .object(let members):
            Set(members.map(\.name)).count == members.count && members.allSatisfy(\.value.hasUniqueNames)
        case .array(let elements): elements.allSatisfy(\.hasUniqueNames)
        default: true
        }
    }
}
