import ArgumentParser
import Testing

@testable import milepost

@Suite("The command line")
struct CommandLineTests {
    @Test("a store URL names a store")
    func storeURLs() throws {
        #expect(try StoreConfiguration(url: "memory:") == .memory)
        #expect(try StoreConfiguration(url: "sqlite:a b/c.db") == .sqlite(path: "a b/c.db"))
        for url in ["", "sqlite", "memory", "memory:x", "postgresql://localhost/x", "milepost.db"] {
            #expect(throws: StartError.self) { try StoreConfiguration(url: url) }
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

    @Test("help says what to type, and names every option")
    func help() {
        let root = Milepost.helpMessage()
        #expect(root.contains("milepost serve"))
        let serve = Milepost.helpMessage(for: Serve.self, columns: 100)
        for key in ServerConfiguration.keys.map(\.name) + ["config"] {
            #expect(serve.contains("--\(key) <"))
        }
        #expect(serve.contains("MILEPOST_"))
    }
}
