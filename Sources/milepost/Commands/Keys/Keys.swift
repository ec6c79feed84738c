import ArgumentParser
import Authentication
import Checkpoints
import Configuration

/// `milepost keys`: the API keys of a server.
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and revoke the API keys of a server.",
        discussion: """
            The keys stand in a file, without what is secret in them: a server is given it as --api-keys-file and takes \
            up each change within 2 seconds. Only its owner may use it.

            To rotate a key, make a second one of the same tenant, give it to the client, and revoke the first.

            Exit codes: 0 done, 1 the file could not be used, 64 wrong usage.

            EXAMPLES
              KEY=$(milepost keys create --keys-file keys.json --tenant acme --expires 90d)
                  the key goes to standard output alone, this once
              milepost keys list --keys-file keys.json
              milepost keys revoke --keys-file keys.json 4f0c9a1e
            """,
        subcommands: [KeysCreate.self, KeysList.self, KeysRevoke.self]
    )
}

/// The option that each of them has.
struct KeysFileOption: ParsableArguments {
    @Option(help: ArgumentHelp("The key file (default: MILEPOST_API_KEYS_FILE).", valueName: "path"))
    var keysFile: String?

    func file(environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()) throws -> APIKeyFile {
        let config = ConfigReader(provider: environment.prefixKeys(with: "milepost"))
        let path = keysFile ?? config.string(forKey: "api-keys-file") ?? ""
        guard !path.isEmpty else {
            throw StartError.usage("no key file is named; give --keys-file, or set MILEPOST_API_KEYS_FILE")
        }
        return APIKeyFile(path: path)
    }
}

extension StartError {
    /// Lets `body` use a key file.
    static func fromKeyFile<Value>(_ body: () throws(APIKeyFileError) -> Value) throws(StartError) -> Value {
        do throws(APIKeyFileError) {
            return try body()
        } catch {
            throw .machine(error.description)
        }
    }
}

extension APIKeyRecord {
    /// In the order of their documentation.
    var scopeNames: [String] {
        Scope.allCases.filter(scopes.contains).map(\.rawValue)
    }

    /// The tenant that has no name is what a server without authentication has.
    var shownTenant: String {
        tenant.name.isEmpty ? "(default)" : tenant.name.text
    }
}
