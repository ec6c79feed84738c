import ArgumentParser
import Checkpoints
import JSON
import Testing
import Transfer

@testable import milepost

@Suite("The command line")
struct CommandLineTests {
    @Test("a store URL names a store")
    func storeURLs() throws {
        #expect(try StoreConfiguration(url: "memory:") == .memory)
        #expect(try StoreConfiguration(url: "sqlite:a b/c.db") == .sqlite(path: "a b/c.db"))
        for url in ["", "sqlite", "memory", "memory:x", "mysql://localhost/x", "milepost.db"] {
            #expect(throws: StartError.self) { try StoreConfiguration(url: url) }
        }
        for url in ["postgresql://a@h:1/d", "postgres://a@h:1/d", "host=h port=1 dbname=d user=a"] {
            #expect(try StoreConfiguration(url: url).description == "postgresql://h:1/d")
        }
    }

    @Test("serve is found, and what is unknown is a usage error")
    func parsing() throws {
        #expect(try Milepost.parseAsRoot(["serve", "--port", "1"]) is Serve)
        for arguments in [["serve", "--prot", "1"], ["sevre"], ["serve", "extra"], ["serve", "--port", "x"]] {
            let error = #expect(throws: (any Error).self) { try Milepost.parseAsRoot(arguments) }
            #expect(error.map { Milepost.exitCode(for: $0) } == .validationFailure)
        }
    }

    @Test("verify is found, takes the store that serve would have, and what is unknown is a usage error")
    func verify() throws {
        let command = try #require(try Milepost.parseAsRoot(["verify"]) as? Verify)
        #expect(command.options.store == nil && !command.json)
        let given = try #require(try Milepost.parseAsRoot(["verify", "--store", "sqlite:a.db", "--json"]) as? Verify)
        #expect(given.options.store == "sqlite:a.db" && given.json)
        for arguments in [["verify", "--port", "1"], ["verify", "a.db"], ["verify", "--store"]] {
            let error = #expect(throws: (any Error).self) { try Milepost.parseAsRoot(arguments) }
            #expect(error.map { Milepost.exitCode(for: $0) } == .validationFailure)
        }
    }

    @Test("verify refuses a store in memory as wrong usage, and a file that is not there as the machine's state")
    func verifyRefusals() async throws {
        for (store, isUsage) in [("memory:", true), ("nonsense", true), ("sqlite:/nowhere/a.db", false)] {
            let command = try #require(try Milepost.parseAsRoot(["verify", "--store", store]) as? Verify)
            let error = await #expect(throws: StartError.self) { try await command.run() }
            #expect(error?.isUsage == isUsage)
        }
    }

    @Test("export and import are found, take the store that serve would have, and refuse one in memory")
    func moving() async throws {
        let export = try #require(try Milepost.parseAsRoot(["export", "--output", "a"]) as? Export)
        #expect(export.options.store == nil && export.output == "a")
        let given = try #require(try Milepost.parseAsRoot(["import", "--store", "memory:", "--json"]) as? Import)
        #expect(given.input == nil && given.json)
        for arguments in [["export", "--json"], ["export", "a"], ["import", "--output", "a"], ["import", "a"]] {
            let error = #expect(throws: (any Error).self) { try Milepost.parseAsRoot(arguments) }
            #expect(error.map { Milepost.exitCode(for: $0) } == .validationFailure)
        }
        let error = await #expect(throws: StartError.self) { try await given.run() }
        #expect(error?.isUsage == true)
    }

    @Test("what import prints for a person, and as JSON")
    func importOutput() throws {
        var result = ThreadImport.Result()
        result.imported = 1_234
        result.rowsAdded = 5_678
        result.alreadyThere = 9
        #expect(result.summary == "imported 1,234 threads (5,678 rows), 9 already there")
        result.different = [ThreadKey("t", tenant: Tenant(name: "acme"))]
        #expect(result.summary.hasSuffix(", 1 DIFFERENT in the store"))
        #expect(
            String(decoding: result.json(of: .sqlite(path: "a.db"), TransferCounts()).text.bytes, as: UTF8.self)
                == #"{"store":"sqlite:a.db","ok":false,"threads":0,"rows":0,"imported":1234,"already_there":9,"#
                + #""rows_added":5678,"different":[{"tenant":"acme","thread_id":"t"}]}"#
        )
    }

    @Test("what verify prints for a person, and as JSON")
    func verifyOutput() throws {
        let counts = StoreCounts(threads: 12, checkpoints: 1_234, blobs: 5_678_901, writes: 0)
        let sound = StoreVerification(checked: counts, damage: [])
        #expect(sound.summary == "checked 1,234 checkpoints, 5,678,901 blobs, 0 writes of 12 threads: no damage")
        let thread = ThreadKey("t", tenant: Tenant(name: "acme"))
        let damage = StoreDamage(.blob, thread: thread, namespace: "n", channel: "c", version: "1", detail: "gone")
        let damaged = StoreVerification(checked: StoreCounts(), damage: [damage, StoreDamage(.file, detail: "page 3")])
        #expect(damaged.summary == "checked 0 checkpoints, 0 blobs, 0 writes of 0 threads: 2 problems in 1 thread")
        #expect(
            String(decoding: damaged.json(of: .sqlite(path: "a.db")).text.bytes, as: UTF8.self) == """
                {"store":"sqlite:a.db","ok":false,"threads":0,"checkpoints":0,"blobs":0,"writes":0,\
                "threads_damaged":[{"tenant":"acme","thread_id":"t","problems":1}],"problems":[\
                {"what":"file","tenant":null,"thread_id":null,"checkpoint_ns":null,"checkpoint_id":null,"channel":null,\
                "version":null,"task_id":null,"detail":"page 3"},\
                {"what":"blob","tenant":"acme","thread_id":"t","checkpoint_ns":"n","checkpoint_id":null,"channel":"c",\
                "version":"1","task_id":null,"detail":"gone"}]}
                """
        )
        let progress = VerifyProgress(checked: counts, fraction: 0.429, damageCount: 3)
        #expect(progress.line == "1,234 checkpoints, 5,678,901 blobs, 0 writes, 3 damaged")
    }

    @Test(
        "numbers have a comma before every third digit",
        arguments: [
            (0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000"),
        ])
    func grouping(_ number: Int, _ text: String) {
        #expect(number.grouped == text)
    }

    @Test("help says what to type, and names every option")
    func help() {
        let root = Milepost.helpMessage()
        #expect(root.contains("milepost serve"))
        let serve = Milepost.helpMessage(for: Serve.self, columns: 100)
        for key in ServerConfiguration.keys.map(\.name) + ["config"] {
            #expect(serve.contains("--\(key) <") || serve.contains("--\(key) "))
        }
        #expect(serve.contains("MILEPOST_"))
    }
}
