import Checkpoints
import JSON

/// Why the file of client certificates cannot be used, in a sentence for the operator.
package struct ClientCertificateFileError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ path: String, _ problem: String) {
        description = "\(path): \(problem); correct it, or check --client-certificates-file"
    }
}

/// Which name in a certificate stands for whom: a JSON array of objects with `name`, `tenant`, `scopes` and, if wished,
/// `thread_prefix`.
struct ClientCertificateFile {
    let principals: [String: Principal]

    init(path: String) throws(ClientCertificateFileError) {
        let bytes: [UInt8]
        do {
            bytes = try SmallFile(path).bytes
        } catch {
            throw ClientCertificateFileError(path, "it cannot be read: \(error.reason)")
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw ClientCertificateFileError(path, "it is not JSON (\(error))")
        }
        guard case .array(let entries) = value else {
            throw ClientCertificateFileError(path, "it has to be an array of objects")
        }
        var principals: [String: Principal] = [:]
        for (index, entry) in entries.enumerated() {
            let (name, principal) = try Self.principal(entry) { (problem) in
                ClientCertificateFileError(path, "entry \(index + 1): \(problem)")
            }
            guard principals.updateValue(principal, forKey: name) == nil else {
                throw ClientCertificateFileError(path, "entry \(index + 1): \(name) stands there twice")
            }
        }
        self.principals = principals
    }

    private static let keys: Set<String> = ["name", "tenant", "scopes", "thread_prefix"]

    private static func principal(
        _ entry: JSONValue,
        _ error: (String) -> ClientCertificateFileError
    ) throws(ClientCertificateFileError) -> (String, Principal) {
        guard case .object(let members) = entry else { throw error("it has to be an object") }
        var values: [String: JSONValue] = [:]
        for member in members {
            let key = member.name.string ?? ""
            guard keys.contains(key) else { throw error("there is no key '\(key)'") }
            guard values.updateValue(member.value, forKey: key) == nil else {
                throw error("'\(key)' stands there twice")
            }
        }
        func text(_ key: String) throws(ClientCertificateFileError) -> String? {
            guard let value = values[key] else { return nil }
            guard case .string(let text) = value, let string = text.string else {
                throw error("'\(key)' has to be a string")
            }
            return string
        }
        guard let name = try text("name"), name.hasPrefix("URI:") || name.hasPrefix("DNS:"), name.utf8.count > 4 else {
            throw error("'name' has to be a name of a certificate, as in URI:spiffe://example/agent or DNS:agent")
        }
        guard !name.contains("*") else { throw error("'name' is compared as it is: it cannot have a *") }
        guard let tenant = try text("tenant") else { throw error("'tenant' is missing; \"\" is the default tenant") }
        guard case .array(let listed) = values["scopes"] else { throw error("'scopes' has to be an array of strings") }
        var scopes: Set<Scope> = []
        for item in listed {
            guard case .string(let text) = item, let scope = Scope(rawValue: text.string ?? "") else {
                let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
                throw error("'scopes' may have \(known)")
            }
            scopes.insert(scope)
        }
        let principal = Principal(
            name: "mtls:" + name,
            tenant: Tenant(name: Identifier(tenant)),
            scopes: scopes,
            threadPrefix: Identifier(try text("thread_prefix") ?? "")
        )
        return (name, principal)
    }
}
