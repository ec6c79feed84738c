import ArgumentParser
import Glibc

/// The one place that prints and that ends the program.
enum Output {
    /// Help and version go to standard output and end with 0.
    ///
    /// An error is one line on standard error that says what to do: 64 when the command line or the configuration is
    /// wrong, else 1.
    static func end(with error: any Error) -> Never {
        let code = Milepost.exitCode(for: error)
        if code == .success {
            print(Milepost.fullMessage(for: error))
            exit(code.rawValue)
        }
        if let failure = error as? StartError {
            fail(failure.description, code: failure.isUsage ? ExitCode.validationFailure : .failure)
        }
        let message = Milepost.message(for: error)
        if code == .validationFailure {
            fail("\(message); run 'milepost serve --help' for what it takes", code: code)
        }
        fail(message, code: .failure)
    }

    private static func fail(_ message: String, code: ExitCode) -> Never {
        let line = "milepost: " + message.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        exit(code.rawValue)
    }
}

/// Why the server could not start, in a sentence that ends with what to do.
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
