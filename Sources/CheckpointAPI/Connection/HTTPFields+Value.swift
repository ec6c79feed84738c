import HTTPTypes

extension HTTPFields {
    /// The value of a field; of several with that name the subscript says what it is.
    ///
    /// The subscript joins values, also where there is one, which costs some thousand instructions.
    func value(of name: HTTPField.Name) -> String? {
        var found: String?
        for field in self where field.name == name {
            guard found == nil else { return self[name] }
            found = field.value
        }
        return found
    }
}
