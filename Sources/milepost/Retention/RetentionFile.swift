import Authentication
import Checkpoints
import JSON

/// The file that says how long the threads of single tenants are kept.
///
/// It is read when the program starts.
enum RetentionFile {
    /// What a path leads to, where `common` was given elsewhere.
    static func read(_ path: String, _ common: RetentionPolicy) throws(StartError) -> RetentionPolicies {
        let bytes: [UInt8]
        do throws(SmallFile.ReadError) {
            bytes = try SmallFile(path).bytes
        } catch {
            throw .machine("cannot read the retention file \(path): \(error.reason); check retention-file")
        }
        return try policies(bytes, path, common)
    }

    static func policies(
        _ bytes: [UInt8],
        _ path: String,
        _ common: RetentionPolicy
    ) throws(StartError) -> RetentionPolicies {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw .usage("\(path): it is not JSON (\(error)); correct it")
        }
        guard case .object(let members) = value else {
            throw .usage("\(path): it is no JSON object; write {\"default\": …, \"tenants\": …}")
        }
        var policies = RetentionPolicies(common)
        for (name, value) in try named(members, in: path, at: "") {
            switch name {
            case "default":
                guard common == .none else {
                    throw .usage(
                        "\(path): 'default' is said elsewhere too; leave it out, or leave out the times and the number there"
                    )
                }
                policies.common = try policy(value, path, at: name)
            case "tenants":
                guard case .object(let tenants) = value else {
                    throw .usage("\(path): 'tenants' is no object; write {\"NAME\": {\"idle\": \"30d\"}}")
                }
                for (tenant, value) in try named(tenants, in: path, at: "tenants.") {
                    policies.ofTenants[Tenant(name: Identifier(tenant))] = try policy(
                        value, path, at: "tenants.\(tenant)")
                }
            default: throw .usage("\(path): '\(name)' is not known; use 'default' and 'tenants'")
            }
        }
        return policies
    }

    private static func policy(
        _ value: JSONValue, _ path: String, at place: String
    ) throws(StartError) -> RetentionPolicy {
        guard case .object(let members) = value else {
            throw .usage("\(path): '\(place)' is no object; write {\"idle\": \"30d\", \"age\": \"365d\", \"last\": 5}")
        }
        var policy = RetentionPolicy()
        for (name, value) in try named(members, in: path, at: place + ".") {
            switch name {
            case "idle": policy.idle = try duration(value, path, at: "\(place).\(name)")
            case "age": policy.age = try duration(value, path, at: "\(place).\(name)")
            case "last":
                guard case .number(let number) = value, let count = Int(number.text), (1...1_000_000).contains(count)
                else { throw .usage("\(path): '\(place).last' is no number from 1 to 1000000") }
                policy.keepLast = count
            default: throw .usage("\(path): '\(place).\(name)' is not known; use 'idle', 'age' and 'last'")
            }
        }
        return policy
    }

    private static func duration(_ value: JSONValue, _ path: String, at place: String) throws(StartError) -> Duration {
        guard case .string(let text) = value, let duration = text.string.flatMap({ Duration(text: $0) }) else {
            throw .usage("\(path): '\(place)' is no time; write one such as \"30d\", \"12h\", \"15m\" or \"90s\"")
        }
        return duration
    }

    /// Members with their names, none of which stands twice.
    private static func named(
        _ members: [JSONMember],
        in path: String,
        at place: String
    ) throws(StartError) -> [(String, JSONValue)] {
        var seen: Set<String> = []
        var named: [(String, JSONValue)] = []
        for member in members {
            let name = member.name.string ?? ""
            guard seen.insert(name).inserted else { throw .usage("\(path): '\(place)\(name)' stands twice") }
            named.append((name, member.value))
        }
        return named
    }
}

extension RetentionConfiguration {
    /// All policies; throws for a file that cannot be read or used.
    func policies() throws(StartError) -> RetentionPolicies {
        let common = RetentionPolicy(idle: idle, age: age, keepLast: last)
        guard let file else { return RetentionPolicies(common) }
        return try RetentionFile.read(file, common)
    }
}
