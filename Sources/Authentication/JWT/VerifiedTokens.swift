package import Crypto

/// The tokens that were verified lately, by their SHA-256, with what they say.
///
/// Belongs to one set of keys and goes with it, so that no token outlives its key.
package struct VerifiedTokens: Sendable {
    /// For how long a token is not verified again, in seconds.
    static let lifetime = 60.0

    private struct Entry {
        let principal: Principal
        let slot: Int
        /// In seconds since 1970; a clock that is put back ends the entry too.
        let validity: Range<Double>
    }

    private let capacity: Int
    private var entries: [SHA256Digest: Entry] = [:]
    /// The digests in the order they came, in a ring.
    private var slots: [SHA256Digest] = []
    private var nextSlot = 0
    /// How many went to make room for others.
    private(set) var evictionCount = 0

    package init(capacity: Int = 10_000) {
        self.capacity = capacity
    }

    package var count: Int { entries.count }

    package func principal(_ digest: SHA256Digest, now: Double) -> Principal? {
        guard let entry = entries[digest], entry.validity.contains(now) else { return nil }
        return entry.principal
    }

    /// Adds a token, in place of the one that came first when there are too many.
    package mutating func insert(_ digest: SHA256Digest, _ principal: Principal, now: Double, expiry: Double) {
        // Within the leeway after its expiry a token is verified every time.
        guard now < expiry else { return }
        if slots.count < capacity {
            slots.append(digest)
        } else {
            let oldest = slots[nextSlot]
            // It may have come again since, and have a later slot.
            if entries[oldest]?.slot == nextSlot {
                entries[oldest] = nil
                evictionCount += 1
            }
            slots[nextSlot] = digest
        }
        let validity = now..<min(expiry, now + Self.lifetime)
        entries[digest] = Entry(principal: principal, slot: nextSlot, validity: validity)
        nextSlot = (nextSlot + 1) % capacity
    }
}
