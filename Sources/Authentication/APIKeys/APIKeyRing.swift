import HTTPTypes
package import Logging
import Synchronization

/// The mode `key`: callers that show a key of a file.
///
/// They send it as `Authorization: Bearer`, `x-api-key` or, as the published Agentex SDK does, `x-agent-api-key`. A
/// request that has several has to have the same in all.
package final class APIKeyRing: AuthenticationMode {
    package let name = "key"

    let file: APIKeyFile
    let logger: Logger
    let now: @Sendable () -> APIKeyTime
    let state: Mutex<State>

    /// What is taken whole by a request and replaced whole by a new file.
    struct State {
        var table: APIKeyTable
        /// Of the file that the table is from; nil when it has to be read again.
        var seen: FileStatus?
        /// What was logged of the file as it is.
        var problem: Problem?
    }

    /// Reads the file, which has to be there and right.
    package init(
        file: APIKeyFile,
        logger: Logger,
        now: @escaping @Sendable () -> APIKeyTime = { .now }
    ) throws(APIKeyFileError) {
        self.file = file
        self.logger = logger
        self.now = now
        let (records, status) = try file.load()
        state = Mutex(State(table: APIKeyTable(records), seen: status.isSettled(at: .now) ? status : nil))
    }

    package func recognises(_ credentials: Credentials) -> Bool {
        SentKeys(credentials.headers).isAny
    }

    package func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
        Result { () throws(AuthenticationFailure) in try principal(SentKeys(credentials.headers)) }
    }

    package func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure> {
        Result { () throws(AuthenticationFailure) in try principal(SentKeys(credentials.headers)) }
    }

    private func principal(_ sent: SentKeys) throws(AuthenticationFailure) -> Principal {
        let key = try sent.key()
        let table = state.withLock { $0.table }
        guard let record = table.record(of: key.hash) else { throw AuthenticationFailure("no such key", .unknown) }
        switch record.state(at: now()) {
        case .active: return record.principal
        case .expired: throw AuthenticationFailure("the key \(record.id) has expired", .expired)
        case .revoked: throw AuthenticationFailure("the key \(record.id) is revoked", .revoked)
        }
    }
}

/// The keys of a file, to be found by their hash.
struct APIKeyTable: Sendable {
    let records: [APIKeyRecord]
    private let places: [UInt64: Int]
    private let nobody = APIKeyHash.random()

    init(_ records: [APIKeyRecord]) {
        self.records = records
        // A file in which two begin alike is refused.
        places = Dictionary(records.indices.map { (records[$0].hash.beginning, $0) }) { first, _ in first }
    }

    /// The record of a key; nil when there is none.
    ///
    /// Takes the same steps whether there is one or not: a hash is always compared.
    func record(of hash: APIKeyHash) -> APIKeyRecord? {
        let place = places[hash.beginning]
        let expected = place.map { records[$0].hash } ?? nobody
        guard expected == hash, let place else { return nil }
        return records[place]
    }
}

/// What a request has where keys are sent.
private struct SentKeys {
    private var texts: [String] = []
    private var isRepeated = false

    init(_ headers: HTTPFields) {
        let authorizations = headers[values: .authorization]
        add(authorizations.compactMap(Self.bearer), of: authorizations.count)
        for name in Self.names {
            let values = headers[values: name].filter { !$0.isEmpty }
            add(values, of: values.count)
        }
    }

    private mutating func add(_ values: [String], of count: Int) {
        texts += values
        isRepeated = isRepeated || !values.isEmpty && count > 1
    }

    var isAny: Bool { !texts.isEmpty }

    func key() throws(AuthenticationFailure) -> APIKey {
        guard let text = texts.first else { throw AuthenticationFailure("no key was sent", .missing) }
        guard !isRepeated else { throw AuthenticationFailure("a header that has a key was sent twice") }
        guard texts.allSatisfy({ $0 == text }) else { throw AuthenticationFailure("several keys were sent") }
        do throws(APIKey.Flaw) {
            return try APIKey(text)
        } catch {
            switch error {
            case .form: throw AuthenticationFailure("what was sent is not a key")
            case .checksum: throw AuthenticationFailure("the key is mistyped or cut: its checksum is wrong")
            }
        }
    }

    private static let names = ["x-api-key", "x-agent-api-key"].compactMap { HTTPField.Name($0) }

    /// The key of a value of `authorization`; nil when it is another mode's.
    private static func bearer(_ value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let token = parts[1].drop { $0 == " " }
        return token.hasPrefix(APIKey.prefix) ? String(token) : nil
    }
}
