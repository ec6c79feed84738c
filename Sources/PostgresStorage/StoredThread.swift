import Checkpoints

extension ThreadKey {
    /// What `thread_id` holds.
    ///
    /// The default tenant's threads have their own id there, as LangGraph's savers expect; another tenant's, and an id that
    /// begins as if it were one, a unit separator, the length of the tenant's name in bytes, and both.
    var storedID: Identifier {
        guard tenant != .default || id.text.unicodeScalars.first == Self.separator else { return id }
        return Identifier("\(Self.separator)\(tenant.name.byteCount):\(tenant.name.text)\(id.text)")
    }

    /// The thread whose `storedID` this is.
    ///
    /// What only looks like one is the default tenant's.
    init(storedID: Identifier) {
        let bytes = Array(storedID.text.utf8)
        guard bytes.first == UInt8(ascii: Self.separator), let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let count = Int(String(decoding: bytes[1..<colon], as: UTF8.self)), count >= 0,
            bytes.count - colon - 1 >= count
        else {
            self.init(storedID)
            return
        }
        let end = colon + 1 + count
        self.init(
            Identifier(String(decoding: bytes[end...], as: UTF8.self)),
            tenant: Tenant(name: Identifier(String(decoding: bytes[colon + 1..<end], as: UTF8.self)))
        )
    }

    private static let separator: Unicode.Scalar = "\u{1F}"
}

extension Tenant {
    /// What the `storedID` of each of its threads begins with; nil for the default tenant, whose ids are as they are.
    var idPrefix: Identifier? {
        self == .default ? nil : Identifier("\u{1F}\(name.byteCount):\(name.text)")
    }

    /// A condition that the threads of the tenant fulfil whose `idPrefix` a parameter is, and hardly any other.
    ///
    /// An id of the default tenant that another program made to look exactly like another tenant's is left out.
    static func condition(_ parameter: Int) -> String {
        """
        CASE WHEN $\(parameter)::text IS NULL THEN thread_id !~ '^\u{1F}[1-9][0-9]*:'
        ELSE starts_with(thread_id, $\(parameter)) END
        """
    }
}
