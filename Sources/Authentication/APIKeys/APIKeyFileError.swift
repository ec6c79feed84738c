/// Why a key file could not be used, in a sentence that ends with what to do.
///
/// Names paths and places, never what stands there: somebody may have put a key where its hash belongs.
package struct APIKeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// There is none of that name.
        case missing
        /// Reading or writing failed, or it is not a file that can be used.
        case notAccessible
        /// Others than its owner may use it.
        case exposed
        /// It is not what `keys create` writes.
        case malformed
        /// No key in it has the id that was asked for.
        case unknownID
    }

    package let kind: Kind
    package let problem: String
    /// What the operator can do about it, as an imperative.
    package let hint: String

    init(_ kind: Kind, _ problem: String, hint: String) {
        self.kind = kind
        self.problem = problem
        self.hint = hint
    }

    package var description: String { "\(problem); \(hint)" }

    static func missing(_ path: String) -> APIKeyFileError {
        APIKeyFileError(
            .missing, "there is no key file \(path)", hint: "make a key with 'milepost keys create --keys-file \(path)'"
        )
    }

    static func notAccessible(_ action: String, _ reason: some CustomStringConvertible) -> APIKeyFileError {
        APIKeyFileError(
            .notAccessible, "cannot \(action): \(reason)",
            hint: "name a key file that this user owns, in a directory that this user may write to"
        )
    }

    static func malformed(_ path: String, _ problem: String) -> APIKeyFileError {
        APIKeyFileError(
            .malformed, "the key file \(path) is not right: \(problem)", hint: "correct it, or restore it from a copy")
    }
}
