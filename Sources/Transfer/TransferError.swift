import Checkpoints

/// Why an export could not be written or read on, in a sentence that ends with what to do.
///
/// Names threads, lines and paths, never contents.
package struct TransferError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// What is read is not an export.
        case notAnExport
        /// A later version of the program wrote it, in another form.
        case newerFormat
        /// It ends before its end.
        case cutOff
        /// What it says is not what was written.
        case damaged
        /// It is whole, and was to be gone on with.
        case finished
        /// Reading or writing failed, or the file is not one that can be used.
        case notAccessible
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

extension TransferError {
    static func damaged(_ detail: String, line: Int, thread: ThreadKey? = nil) -> TransferError {
        let place = thread.map { ", in thread \($0.id.text.quotedForOneLine)" } ?? ""
        return TransferError(
            .damaged,
            "the export is damaged at line \(line)\(place): \(detail)",
            hint: "copy it again from where it was made, or export again; what was imported before stays"
        )
    }

    static func cutOff(line: Int, thread: ThreadKey?) -> TransferError {
        let place = thread.map { ", in thread \($0.id.text.quotedForOneLine)" } ?? ""
        return TransferError(
            .cutOff,
            "the export is cut off after line \(line)\(place)",
            hint: "let 'milepost export --output' finish it, or copy it again; what was imported before stays"
        )
    }
}
