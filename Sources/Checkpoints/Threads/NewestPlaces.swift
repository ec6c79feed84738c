/// What is remembered of the newest places of a thread: the oldest one is forgotten for a new one.
package struct NewestPlaces<Known: Sendable>: Sendable {
    package struct Entry: Sendable {
        package let place: ListOrder
        package var known: Known

        package init(place: ListOrder, known: Known) {
            self.place = place
            self.known = known
        }
    }

    private let size: Int
    /// In ascending order.
    package var entries: [Entry]
    /// What is below is not remembered; nil when there is nothing below.
    package var floor: ListOrder?

    /// `entries` are at most `size`, in ascending order.
    package init(size: Int, _ entries: [Entry] = [], floor: ListOrder? = nil) {
        self.size = size
        self.entries = entries
        self.floor = floor
    }

    /// Changes what is known of a place, which is `new` when it is not among them; of one below the floor nothing stays.
    package mutating func change<Value>(_ place: ListOrder, new: Known, _ body: (inout Known) -> Value) -> Value {
        var forgotten = new
        if let floor, place < floor { return body(&forgotten) }
        let found = entries.firstIndex { $0.place >= place } ?? entries.count
        if found == entries.count || entries[found].place != place {
            entries.insert(Entry(place: place, known: new), at: found)
        }
        let value = body(&entries[found].known)
        if entries.count > size {
            entries.removeFirst()
            floor = entries.first?.place
        }
        return value
    }
}
