import Checkpoints
import Foundation
import GRDB
import JSON

extension Row {
    /// The bytes of a column, copied once; nil for NULL.
    func bytes(_ index: Int) throws -> [UInt8]? {
        try withUnsafeData(atIndex: index) { $0.map { [UInt8]($0) } }
    }

    /// A column that this store wrote as JSON, exactly as it came.
    func json(_ index: Int) throws -> JSONText {
        JSONText(trusted: try bytes(index) ?? [])
    }

    func identifier(_ index: Int) -> Identifier {
        Identifier(self[index] as String)
    }

    func optionalIdentifier(_ index: Int) -> Identifier? {
        (self[index] as String?).map { Identifier($0) }
    }
}
