import Foundation
import JSON
import Testing

/// What `python3` says of random documents, broken ones above all, is what this parser says.
@Suite("Agreement with Python", .timeLimit(.minutes(5)))
struct PythonAgreementTests {
    /// Prints, for each document, `ok`, `skip` where we differ on purpose, or the position and message of its error.
    private static let verdicts = """
        import json, sys
        class Skip(Exception): pass
        def skip(text): raise Skip
        def real(text):
            value = float(text)
            if value in (float("inf"), float("-inf")): raise Skip
            return value
        for line in sys.stdin.buffer.read().split(b"\\n")[:-1]:
            text = bytes.fromhex(line.decode()).decode()
            try:
                json.loads(text, parse_constant=skip, parse_float=real)
                print("ok")
            except json.JSONDecodeError as error:
                position, message = error.pos, error.msg
                # Since 3.13; before it the complaint was about the bracket after the comma.
                if message.startswith("Illegal trailing comma before end of "):
                    position += 1
                    while text[position] in " \\t\\n\\r": position += 1
                    message = ("Expecting property name enclosed in double quotes"
                        if message.endswith("object") else "Expecting value")
                print(position, message)
            except (Skip, ValueError, RecursionError):
                print("skip")
        """

    @Test("Broken documents are accepted or refused alike, at the same place, in the same words")
    func brokenDocuments() throws {
        var generator = DocumentGenerator(stream: 1)
        let documents = (0..<6_000).map { _ in
            let document = generator.document()
            return generator.broken(document)
        }
        let verdicts = try Python.run(Self.verdicts, input: documents.map { hexadecimal($0.utf8) })
        try #require(verdicts.count == documents.count)

        var (refused, accepted) = (0, 0)
        for (document, verdict) in zip(documents, verdicts) where verdict != "skip" {
            let bytes = Array(document.utf8)
            let error = agreedError(reading: bytes)
            #expect(
                error.map { "\($0.characterOffset) \($0.reason)" } ?? "ok" == verdict,
                "MILEPOST_SEED=\(SeededGenerator.seed) \(document)"
            )
            if let error {
                refused += 1
                let before = String(decoding: bytes[..<error.offset], as: UTF8.self)
                #expect(before.unicodeScalars.count == error.characterOffset)
            } else {
                accepted += 1
            }
        }
        // Both sides of the comparison have been seen.
        #expect(refused > 1_000)
        #expect(accepted > 100)
    }

    @Test("Unbroken documents are accepted by both")
    func unbrokenDocuments() throws {
        var generator = DocumentGenerator(stream: 2)
        let documents = (0..<1_000).map { _ in generator.document() }
        let verdicts = try Python.run(Self.verdicts, input: documents.map { hexadecimal($0.utf8) })
        #expect(verdicts.count == documents.count)
        #expect(verdicts.allSatisfy { $0 == "ok" }, "MILEPOST_SEED=\(SeededGenerator.seed)")
        for document in documents {
            #expect(
                agreedError(reading: Array(document.utf8)) == nil, "MILEPOST_SEED=\(SeededGenerator.seed) \(document)")
        }
    }

    @Test("A string of random bytes is UTF-8 when Python says so, and wrong where Python says so")
    func invalidUTF8() throws {
        var random = SeededGenerator(stream: 6)
        // Mostly the bytes at the edges of what may follow what.
        let edges: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4,
            0xF5,
        ]
        let strings = (0..<6_000).map { _ in
            (0..<Int.random(in: 1...9, using: &random)).map { _ in edges.randomElement(using: &random) ?? 0x41 }
        }
        let script = """
            import sys
            for line in sys.stdin.read().split("\\n")[:-1]:
                try:
                    bytes.fromhex(line).decode()
                    print("ok")
                except UnicodeDecodeError as error:
                    print(error.start)
            """
        let verdicts = try Python.run(script, input: strings.map { hexadecimal($0) })
        try #require(verdicts.count == strings.count)
        for (string, verdict) in zip(strings, verdicts) {
            let error = agreedError(reading: [0x22] + string + [0x22])
            #expect(
                error.map { "\($0.offset - 1)" } ?? "ok" == verdict, "MILEPOST_SEED=\(SeededGenerator.seed) \(string)")
            #expect(error.map { $0.kind == .invalidUTF8 } ?? true)
        }
        #expect(verdicts.filter { $0 == "ok" }.count > 100)
    }

    /// Prints random documents, each as `exact` when it is as our writer would write it, or `loose`.
    private static let generation = """
        import json, random, sys
        random.seed(int(sys.stdin.read()))
        characters = "ab \\"\\\\/\\b\\f\\n\\r\\t\\0\\x1f\\x7fé\\u2028日本\\U0001f600"
        def string(surrogates):
            alphabet = characters + ("\\ud800\\udfff" if surrogates else "")
            return "".join(random.choices(alphabet, k=random.randrange(12)))
        def number():
            return random.choice([
                lambda: random.randrange(-1000, 1000),
                lambda: random.randrange(-10 ** 40, 10 ** 40),
                lambda: random.uniform(-10, 10),
                lambda: random.uniform(-1, 1) * 10.0 ** random.randrange(-300, 300),
                lambda: float(random.randrange(1000)),
            ])()
        def value(depth, surrogates):
            kind = random.randrange(8 if depth < 5 else 5)
            if kind == 0: return random.choice([None, True, False])
            if kind < 3: return number()
            if kind < 5: return string(surrogates)
            if kind < 6: return [value(depth + 1, surrogates) for _ in range(random.randrange(6))]
            return {string(surrogates): value(depth + 1, surrogates) for _ in range(random.randrange(6))}
        for index in range(3000):
            ascii, exact = random.random() < 0.5, random.random() < 0.5
            text = json.dumps(
                value(0, surrogates=ascii), ensure_ascii=ascii, sort_keys=random.random() < 0.2,
                separators=(",", ":") if exact else random.choice([(", ", ": "), (" , ", " : ")]),
                indent=None if exact else random.choice([None, 0, 1, 4, "\\t"]))
            print("exact" if exact and not ascii else "loose", text.encode().hex())
        """

    /// Compares pairs of documents: the same structure, order, strings and number texts.
    private static let comparison = """
        import json, sys
        def read(text):
            return json.loads(bytes.fromhex(text), object_pairs_hook=lambda pairs: ["object", pairs],
                parse_int=lambda text: ["number", text], parse_float=lambda text: ["number", text])
        for line in sys.stdin.read().split("\\n")[:-1]:
            theirs, ours = line.split(" ")
            print("same" if read(theirs) == read(ours) else "different")
        """

    @Test("What Python writes is read, written compactly, and read by Python as the same")
    func roundTrips() throws {
        let lines = try Python.run(Self.generation, input: ["\(SeededGenerator.seed)"])
        try #require(lines.count == 3_000)
        var pairs: [String] = []
        var exact = 0
        for line in lines {
            let parts = line.split(separator: " ")
            let theirs = bytes(hexadecimal: String(parts[1]))
            let ours = try JSONValue(parsing: theirs).text.bytes
            if parts[0] == "exact" {
                exact += 1
                #expect(ours == theirs, "MILEPOST_SEED=\(SeededGenerator.seed)")
            }
            pairs.append("\(parts[1]) \(hexadecimal(ours))")
        }
        #expect(exact > 500)
        let verdicts = try Python.run(Self.comparison, input: pairs)
        #expect(verdicts == Array(repeating: "same", count: 3_000), "MILEPOST_SEED=\(SeededGenerator.seed)")
    }

    @Test("Without its script working, Python is a failure, not a pass")
    func failsWithoutPython() {
        #expect(throws: Python.Failure.self) { try Python.run("import sys; sys.exit(3)") }
    }
}
