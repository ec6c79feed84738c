import Checkpoints
import JSON

/// What is wrong with the text of a key file, and where.
struct APIKeyFileFlaw: Error {
    let description: String

    init(_ place: String, _ problem: String) {
        description = place.isEmpty ? problem : "\(place) \(problem)"
    }
}

extension [APIKeyRecord] {
    /// What a key file holds: `{"keys": [ … ]}`.
    init(file bytes: [UInt8]) throws(APIKeyFileFlaw) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes, limits: JSONLimits(maximumDepth: 8))
        } catch {
            throw APIKeyFileFlaw("", error.description)
        }
        let members = try Members(value, named: ["keys"], at: "the file")
        guard case .array(let keys) = members["keys"] else { throw APIKeyFileFlaw("keys", "is not an array") }
        self = []
        var ids: [String: Int] = [:]
        var hashes: [UInt64: Int] = [:]
        for (index, key) in keys.enumerated() {
            let record = try APIKeyRecord(key, at: "keys[\(index)]")
            if let other = ids.updateValue(index, forKey: record.id) {
                throw APIKeyFileFlaw("keys[\(index)].id", "is that of keys[\(other)] too")
            }
            if let other = hashes.updateValue(index, forKey: record.hash.beginning) {
                throw APIKeyFileFlaw("keys[\(index)].sha256", "is that of keys[\(other)] too")
            }
            append(record)
        }
    }

    /// The text of a key file, with a line for each key.
    var file: [UInt8] {
        var bytes = [UInt8](#"{"keys": ["#.utf8)
        for (index, record) in enumerated() {
            bytes += [UInt8]((index == 0 ? "\n  " : ",\n  ").utf8)
            bytes += record.json.text.bytes
        }
        return bytes + [UInt8]("\n]}\n".utf8)
    }
}

extension APIKeyRecord {
    private static let names = [
        "id", "sha256", "tenant", "scopes", "created", "expires", "thread_prefix", "note", "revoked",
    ]

    fileprivate init(_ value: JSONValue, at place: String) throws(APIKeyFileFlaw) {
        let members = try Members(value, named: Self.names, at: place)
        let id = try members.text("id")
        guard (1...64).contains(id.utf8.count), id.isPlainName else {
            throw APIKeyFileFlaw("\(place).id", "is not a name of 1 to 64 letters, digits, '-' and '_'")
        }
        guard let hash = APIKeyHash(hexadecimal: try members.text("sha256")) else {
            throw APIKeyFileFlaw("\(place).sha256", "is not 64 hexadecimal digits")
        }
        guard let created = try members.time("created") else { throw APIKeyFileFlaw("\(place).created", "is null") }
        self.init(
            id: id,
            hash: hash,
            tenant: Tenant(name: Identifier(try members.text("tenant"))),
            scopes: try members.scopes("scopes"),
            created: created,
            expires: try members.time("expires"),
            threadPrefix: Identifier(try members.text("thread_prefix")),
            note: try members.text("note"),
            revoked: try members.time("revoked")
        )
    }

    /// As key files have it.
    fileprivate var json: JSONValue {
        func text(_ text: String?) -> JSONValue { text.map { .string(JSONString($0)) } ?? .null }
        return [
            "id": text(id),
            "sha256": text(hash.hexadecimal),
            "tenant": text(tenant.name.text),
            "scopes": .array(Scope.allCases.filter(scopes.contains).map { text($0.rawValue) }),
            "created": text(created.description),
            "expires": text(expires?.description),
            "thread_prefix": text(threadPrefix.text),
            "note": text(note),
            "revoked": text(revoked?.description),
        ]
    }
}

/// An object with all members of a list, once each, and no other.
private struct Members {
    private let place: String
    private var values: [String: JSONValue] = [:]

    init(_ value: JSONValue, named names: [String], at place: String) throws(APIKeyFileFlaw) {
        guard case .object(let members) = value else { throw APIKeyFileFlaw(place, "is not an object") }
        self.place = place
        for member in members {
            guard let name = member.name.string, names.contains(name) else {
                let name = member.name.string.flatMap { $0.isPlainName && $0.utf8.count < 32 ? "'\($0)'" : nil }
                let known = names.joined(separator: ", ")
                throw APIKeyFileFlaw(place, "has \(name ?? "a member") that is not known; known are \(known)")
            }
            guard values.updateValue(member.value, forKey: name) == nil else {
                throw APIKeyFileFlaw(place, "has '\(name)' twice")
            }
        }
        if let absent = names.first(where: { values[$0] == nil }) {
            throw APIKeyFileFlaw(place, "has no '\(absent)'")
        }
    }

    subscript(name: String) -> JSONValue {
        values[name] ?? .null
    }

    func text(_ name: String) throws(APIKeyFileFlaw) -> String {
        guard case .string(let string) = self[name], let text = string.string else {
            throw APIKeyFileFlaw("\(place).\(name)", "is not a string")
        }
        return text
    }

    func time(_ name: String) throws(APIKeyFileFlaw) -> APIKeyTime? {
        if case .null = self[name] { return nil }
        guard case .string(let string) = self[name], let time = string.string.flatMap(APIKeyTime.init) else {
            throw APIKeyFileFlaw("\(place).\(name)", "is not a time such as 2026-01-31T23:59:59Z")
        }
        return time
    }

    func scopes(_ name: String) throws(APIKeyFileFlaw) -> Set<Scope> {
        guard case .array(let elements) = self[name] else {
            throw APIKeyFileFlaw("\(place).\(name)", "is not an array")
        }
        var scopes: Set<Scope> = []
        for (index, element) in elements.enumerated() {
            guard case .string(let string) = element, let scope = string.string.flatMap(Scope.init) else {
                let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
                throw APIKeyFileFlaw("\(place).\(name)[\(index)]", "is not a scope; scopes are \(known)")
            }
            scopes.insert(scope)
        }
        return scopes
    }
}

extension String {
    /// Whether it can stand in a sentence, a log and a command as it is.
    var isPlainName: Bool {
        utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
