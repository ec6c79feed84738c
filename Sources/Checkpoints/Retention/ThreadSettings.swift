package import JSON

/// What is set for one thread, over what its tenant's policy says.
///
/// It goes with its thread, is not copied with it, and is no part of an export.
package struct ThreadSettings: Hashable, Sendable {
    /// Seconds without a change after which the thread is deleted, instead of the policy's times; nil for those.
    package var timeToLive: Int?
    /// Checkpoints that stay, with all that they need, until the thread is deleted.
    ///
    /// Those that are not there have no effect.
    package var pins: Set<CheckpointPlace>
    /// Whether nothing of the thread is deleted by anybody.
    package var isHeld: Bool

    package init(timeToLive: Int? = nil, pins: Set<CheckpointPlace> = [], isHeld: Bool = false) {
        self.timeToLive = timeToLive
        self.pins = pins
        self.isHeld = isHeld
    }

    /// A thread's of which nothing was set.
    package static let none = ThreadSettings()

    /// Pins of one thread at most.
    package static let mostPins = 1_000
    /// A hundred years.
    package static let longestTimeToLive = 36_500 * 86_400
}

/// What became of settings.
package enum SettingsOutcome: Hashable, Sendable {
    case done
    /// There is no such thread, and nothing was set.
    case noThread
    /// One of the pins is no checkpoint of the thread, and nothing was set.
    case noCheckpoint(CheckpointPlace)
}

extension ThreadSettings {
    /// The pins as a store keeps them: a JSON array of pairs, in order.
    package var storedPins: JSONText {
        JSONValue.array(
            pins.sorted().map { place in
                .array([.string(JSONString(place.namespace.text)), .string(JSONString(place.id.text))])
            }
        ).text
    }

    /// Throws `corrupt` for what `storedPins` does not give.
    package static func pins(stored text: JSONText) throws(StoreError) -> Set<CheckpointPlace> {
        let damage = StoreError(.corrupt, during: "read what is set for a thread", detail: "its pins are damaged")
        // What is not JSON is as damaged as what is other JSON.
        guard case .array(let elements)? = try? text.value else { throw damage }
        var pins: Set<CheckpointPlace> = []
        for element in elements {
            guard case .array(let pair) = element, pair.count == 2, case .string(let namespace) = pair[0],
                case .string(let id) = pair[1], let namespace = namespace.string, let id = id.string
            else { throw damage }
            pins.insert(CheckpointPlace(namespace: Identifier(namespace), id: Identifier(id)))
        }
        return pins
    }
}
