import ArgumentParser
import Glibc
import JSON

/// The one place that prints and that ends the program.
enum Output {
    /// A line of data, on standard output.
    static func line(_ text: String) {
        print(text)
    }

    /// A JSON value on a line of its own, on standard output, with what a terminal would obey escaped.
    static func json(_ value: JSONValue) {
        print(TerminalText.escaped(String(decoding: value.text.bytes, as: UTF8.self)))
    }

    /// Sends what was printed on its way: a program that reads it waits for it.
    static func flush() {
        fflush(nil)
    }

    /// A line for whoever waits, on standard error.
    static func note(_ text: String) {
        tell(text + "\n")
    }

    /// Puts `text` in the place of the line that the terminal on standard error stands on; nothing clears it.
    static func redraw(_ text: String) {
        tell("\r\(text)\u{1b}[K")
    }

    /// Help and version go to standard output and end with 0.
    ///
    /// An error is one line on standard error that says what to do: 64 when the command line or the configuration is
    /// wrong, else 1. A command that has said all there is to say throws an `ExitCode`, which is taken as it is.
    static func end(with error: any Error) -> Never {
        let code = Milepost.exitCode(for: error)
        if error is ExitCode {
            exit(code.rawValue)
        }
        if code == .success {
            print(Milepost.fullMessage(for: error))
            exit(code.rawValue)
        }
        if let failure = error as? StartError {
            fail(failure.description, code: failure.isUsage ? ExitCode.validationFailure : .failure)
        }
        let message = Milepost.message(for: error)
        if code == .validationFailure {
            fail("\(message); run '\(named) --help' for what it takes", code: code)
        }
        fail(message, code: .failure)
    }

    private static func fail(_ message: String, code: ExitCode) -> Never {
        let line = "milepost: " + message.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
        tell(line)
        exit(code.rawValue)
    }

    /// The command that was asked for, as it is typed; the program when there is none of that name.
    private static var named: String {
        let names = Milepost.configuration.subcommands.map { $0._commandName }
        return CommandLine.arguments.dropFirst().first.flatMap { names.contains($0) ? "milepost \($0)" : nil }
            ?? "milepost"
    }

    private static func tell(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}

/// Why a command could not do its work, in a sentence that ends with what to do.
struct StartError: Error, CustomStringConvertible {
    let description: String
    /// Whether the command line or the configuration is wrong, rather than the machine's state.
    let isUsage: Bool

    static func usage(_ description: String) -> StartError {
        StartError(description: description, isUsage: true)
    }

    static func machine(_ description: String) -> StartError {
        StartError(description: description, isUsage: false)
    }
}
