import Configuration

extension ConfigReader {
    /// A value of the wrong type is an error, not a reason to take the default.
    func value<Value>(_ key: String, _ read: (ConfigKey) throws -> Value) throws(StartError) -> Value {
        do {
            return try read(ConfigKey(key))
        } catch {
            throw .usage("the value of '\(key)' cannot be used (\(error)); correct it where it is set")
        }
    }

    /// Empty where nothing is set and the default is empty.
    func text(_ key: String) throws(StartError) -> String {
        try value(key) { try requiredString(forKey: $0) }
    }

    /// Nil where that is empty.
    func optionalText(_ key: String) throws(StartError) -> String? {
        let text = try text(key)
        return text.isEmpty ? nil : text
    }

    func flag(_ key: String) throws(StartError) -> Bool {
        try value(key) { try requiredBool(forKey: $0) }
    }

    func number(_ key: String, in range: ClosedRange<Int>) throws(StartError) -> Int {
        let number = try value(key) { try requiredInt(forKey: $0) }
        guard range.contains(number) else {
            throw .usage("\(key) is \(number); give a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// The words of a comma-separated list, without the blanks around them.
    func words(_ key: String) throws(StartError) -> [String] {
        try text(key).split(separator: ",").map { word in
            String(word.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}
