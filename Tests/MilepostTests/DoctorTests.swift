import ArgumentParser
import Configuration
import Testing

@testable import milepost

@Suite("doctor", .timeLimit(.minutes(5)))
struct DoctorTests {
    @Test("a finding is one line in a file, and broken between words on a terminal")
    func lines() {
        let finding = Finding("disk", .warning, "1 MB free (1 %), the store has 5 MB; make room before it is full")
        #expect(
            finding.lines(on: Terminal(width: nil, hasColours: false))
                == ["warning  disk           1 MB free (1 %), the store has 5 MB; make room before it is full"]
        )
        #expect(
            finding.lines(on: Terminal(width: 60, hasColours: true)) == [
                "\u{1b}[33mwarning  \u{1b}[0mdisk           1 MB free (1 %), the store has 5",
                "                        MB; make room before it is full",
            ]
        )
    }

    @Test("nothing that a terminal obeys comes out of a finding")
    func escaped() {
        let lines = Finding("x", .problem, "\u{1b}[2Ja\tb").lines(on: Terminal(width: nil, hasColours: false))
        #expect(lines == ["problem  x              \\u001b[2Ja b"])
    }

    @Test("every error of a configuration is found, not only the first")
    func configuration() async throws {
        let options = try ServerOptions.parse([
            "--port", "99999", "--log-level", "loud", "--tls-key-file", "k", "--store", "nonsense",
        ])
        let reading = await ServerConfiguration.readAll(options, environment: .init(environmentVariables: [:]))
        #expect(reading.configuration == nil && reading.store == nil)
        #expect(reading.problems.count == 4)
        for (problem, word) in zip(reading.problems, ["port", "--store", "TLS", "log-level"]) {
            #expect(problem.contains(word))
        }
        let open = await ServerConfiguration.readAll(
            try ServerOptions.parse(["--host", "0.0.0.0"]), environment: .init(environmentVariables: [:]))
        #expect(open.problems.count == 1 && open.problems[0].contains("--insecure-allow-open"))
        #expect(open.store == .sqlite(path: "milepost.db"))
    }
}
