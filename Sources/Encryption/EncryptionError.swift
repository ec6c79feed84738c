/// Why a value could not be sealed or opened.
///
/// Names no key, and nothing that was stored.
package struct EncryptionError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
