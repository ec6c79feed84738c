import Foundation

/// The real `python3`, which decides what is right wherever this target promises to do as Python does.
enum Python {
    /// The script did not end well, or there is no `python3`; the tests fail then rather than pass unchecked.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a script, which must read all its input before it prints, and returns the lines it printed.
    static func run(_ script: String, input: [String] = []) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script]
        let (standardInput, standardOutput, standardError) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = standardOutput
        process.standardError = standardError
        try process.run()

        let text = input.map { $0 + "\n" }.joined()
        try standardInput.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try standardInput.fileHandleForWriting.close()
        let output = try standardOutput.fileHandleForReading.readToEnd() ?? Data()
        let complaints = try standardError.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
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
