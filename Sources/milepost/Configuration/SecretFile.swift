import SystemPackage

/// A file that holds one secret, so that it stands on no command line.
enum SecretFile {
    /// The first line; `what` and `option` are for the sentence when it cannot be read.
    static func read(_ path: String, what: String, option: String) throws(StartError) -> String {
        do {
            let descriptor = try FileDescriptor.open(FilePath(path), .readOnly)
            let bytes = try descriptor.closeAfter {
                var bytes = [UInt8](repeating: 0, count: 1 << 12)
                let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                return bytes.prefix(count)
            }
            let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            return String(decoding: line, as: UTF8.self)
        } catch {
            throw .machine("cannot read the \(what) file \(path): \(error); check \(option)")
        }
    }
}
