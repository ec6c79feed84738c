import JSON

/// The callers that the provider has named lately: the oldest goes when there are too many.
struct PrincipalCache: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Entry: Sendable {
        let principal: Principal
        let expiry: Instant
    }

    private let lifetime: Duration
    private let maximumCount: Int
    private let maximumBytes: Int
    private var entries: [[UInt8]: Entry] = [:]
    /// The keys as they came, which is as they expire; those before `first` are gone.
    private var order: [[UInt8]] = []
    private var first = 0
    private(set) var bytes = 0
    /// How many went to make room for others, before they expired.
    private(set) var evictionCount = 0

    init(_ limits: AgentexLimits) {
        lifetime = limits.principalLifetime
        maximumCount = limits.cachedPrincipals
        maximumBytes = limits.cachedBytes
    }

    var count: Int { entries.count }

    func principal(for key: [UInt8], at now: Instant) -> Principal? {
        guard let entry = entries[key], now < entry.expiry else { return nil }
        return entry.principal
    }

    /// Remembers what was asked for at `start`.
    mutating func insert(_ principal: Principal, for key: [UInt8], askedAt start: Instant, now: Instant) {
        while first < order.count, let oldest = entries[order[first]], oldest.expiry <= now { removeOldest() }
        let size = Self.size(of: principal)
        guard entries[key] == nil, now < start + lifetime, maximumCount > 0, size <= maximumBytes else { return }
        while count >= maximumCount || bytes + size > maximumBytes {
            removeOldest()
            evictionCount += 1
        }
        entries[key] = Entry(principal: principal, expiry: start + lifetime)
        order.append(key)
        bytes += size
    }

    private mutating func removeOldest() {
        if let entry = entries.removeValue(forKey: order[first]) { bytes -= Self.size(of: entry.principal) }
        first += 1
        guard first > order.count / 2 else { return }
        order.removeFirst(first)
        first = 0
    }

    private static func size(of principal: Principal) -> Int {
        principal.providerPrincipal?.bytes.count ?? 0
    }
}
