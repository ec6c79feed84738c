import Foundation

/// The real `python3`, which decides what is right wherever this target promises to do as Python does.
enum Python {
    /// The script did not end well, or there is no `python3`; the tests fail then rather than pass unchecked.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a script and returns the lines it printed.
    ///
    /// By the shell: Foundation's `Process` reads past the end of what the kernel says of a process with many open files.
    static func run(_ script: String, input: [String] = []) throws -> [String] {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("milepost-python-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        // What stays of it is in the way of nobody.
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data(script.utf8).write(to: URL(fileURLWithPath: directory + "/script"))
        try Data(input.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: directory + "/input"))
        guard let answer = popen("cd '\(directory)' && exec python3 script <input 2>complaints", "r") else {
            throw Failure(description: "the shell cannot be run: \(String(cString: strerror(errno)))")
        }
        var output: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&part, 1, part.count, answer), count > 0 { output += part[..<count] }
        guard pclose(answer) == 0 else {
            let complaints = try Data(contentsOf: URL(fileURLWithPath: directory + "/complaints"))
            throw Failure(description: "python3: " + String(decoding: complaints, as: UTF8.self))
        }
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

/// Bytes as hexadecimal digits, for lines to and from Python.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// The bytes of hexadecimal digits.
func bytes(hexadecimal text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
