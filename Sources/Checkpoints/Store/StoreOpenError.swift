/// Why a store could not be opened: for the operator who starts the program, in one sentence that ends with what to do.
///
/// Names paths, never contents.
package struct StoreOpenError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// The path cannot be read or written.
        case notAccessible
        /// Another program has the store open.
        case locked
        /// The file is damaged, or is not a database.
        case corrupt
        /// The file is a database, but another program's.
        case foreign
        /// A newer version of the program has changed the layout.
        case newerSchema
        /// An older version wrote it, and what was asked for does not bring it up to date.
        case olderSchema
        /// Its values are encrypted and there are no keys, or there are keys and its values are not encrypted.
        case encrypted
    }

    package let kind: Kind
    package let problem: String
    /// What the operator can do about it, as an imperative.
    package let hint: String

    package init(_ kind: Kind, _ problem: String, hint: String) {
        self.kind = kind
        self.problem = problem
        self.hint = hint
    }

    package var description: String { "\(problem); \(hint)" }
}
