import Checkpoints
import JSON

/// What of a thread takes how much: by channel, and over its checkpoints.
struct SizeReport: Sendable {
    struct Channel: Hashable, Comparable, Sendable {
        let namespace: Identifier
        let name: Identifier

        static func < (left: Channel, right: Channel) -> Bool {
            left.namespace != right.namespace ? left.namespace < right.namespace : left.name < right.name
        }
    }

    /// What came between the checkpoint of the point before, and this one.
    struct Point: Sendable {
        fileprivate(set) var id: Identifier = ""
        fileprivate(set) var time: String?
        /// Of everything, documents and writes too.
        fileprivate(set) var size = ThreadSizes.Size()
        fileprivate(set) var channels: [Channel: ThreadSizes.Size] = [:]
    }

    /// Points at most: neighbours are joined.
    static let mostPoints = 200

    private(set) var documents = ThreadSizes.Rows()
    private(set) var writes = ThreadSizes.Rows()
    /// With their versions, the largest first.
    private(set) var channels: [(channel: Channel, versions: ThreadSizes.Rows)] = []
    /// The oldest first; none of a thread without a checkpoint.
    private(set) var points: [Point] = []
    private(set) var total = ThreadSizes.Size()

    /// A version belongs to the first checkpoint that names it, and writes to the one that they follow.
    ///
    /// What has none goes to the last point. A value that is in the document itself counts as its channel's, with its share of what the
    /// document takes.
    init(_ sizes: ThreadSizes, _ named: NamedVersions) {
        let places = sizes.checkpoints.keys.map { ListOrder($0) }.sorted().map(\.place)
        let count = min(places.count, Self.mostPoints)
        points = [Point](repeating: Point(), count: count)
        var numbers: [CheckpointPlace: Int] = [:]
        for (index, place) in places.enumerated() {
            let number = index * count / places.count
            numbers[place] = number
            points[number].id = place.id
            points[number].time = named.times[place]
        }
        func add(_ size: ThreadSizes.Size, at place: CheckpointPlace?, of channel: Channel? = nil) {
            total += size
            guard let number = place.flatMap({ numbers[$0] }) ?? points.indices.last else { return }
            points[number].size += size
            if let channel { points[number].channels[channel, default: .init()] += size }
        }
        var versions: [Channel: ThreadSizes.Rows] = [:]
        for (place, size) in sizes.checkpoints {
            var rest = size
            for (name, bytes) in named.inline[place] ?? [:] {
                let channel = Channel(namespace: place.namespace, name: name)
                let share = size.share(min(bytes, rest.logical))
                rest = rest.less(share)
                versions[channel, default: .init()] += ThreadSizes.Rows(count: 1, size: share)
                add(share, at: place, of: channel)
            }
            documents += ThreadSizes.Rows(count: 1, size: rest)
            add(rest, at: place)
        }
        for (place, rows) in sizes.writes {
            writes += rows
            add(rows.size, at: place)
        }
        for (key, size) in sizes.blobs {
            let channel = Channel(namespace: key.namespace, name: key.version.channel)
            versions[channel, default: .init()] += ThreadSizes.Rows(count: 1, size: size)
            add(size, at: named.origins[key], of: channel)
        }
        channels = versions.map { (channel: $0.key, versions: $0.value) }.sorted { left, right in
            let (first, second) = (left.versions.size, right.versions.size)
            if first.stored != second.stored { return first.stored > second.stored }
            return first.logical != second.logical ? first.logical > second.logical : left.channel < right.channel
        }
    }
}

extension ThreadSizes.Size {
    /// What so many of its logical bytes take.
    fileprivate func share(_ bytes: Int) -> ThreadSizes.Size {
        ThreadSizes.Size(logical: bytes, stored: logical == 0 ? 0 : stored * bytes / logical)
    }

    fileprivate func less(_ other: ThreadSizes.Size) -> ThreadSizes.Size {
        ThreadSizes.Size(logical: logical - other.logical, stored: stored - other.stored)
    }
}

/// Where each version of a thread's channels is named first, when its checkpoints were made, and what is in their documents.
struct NamedVersions: Sendable {
    private(set) var origins: [ThreadOutline.BlobKey: CheckpointPlace] = [:]
    private(set) var times: [CheckpointPlace: String] = [:]
    /// Bytes of the values that a document has itself, as JSON, by channel.
    private(set) var inline: [CheckpointPlace: [Identifier: Int]] = [:]

    /// Documents that are read at once: a page may be some megabytes.
    private static let page = 100

    /// Costs a look at every document of the thread, a page at a time.
    init(of thread: ThreadKey, in store: some CheckpointStore) async throws {
        var next: ListPlace?
        repeat {
            let query = CheckpointQuery(scope: .thread(thread), after: next, limit: Self.page)
            let page = try await store.list(query)
            for tuple in page.tuples { add(tuple.checkpoint) }
            next = page.next
        } while next != nil
    }

    /// Called with the newest first, so that the oldest stays.
    private mutating func add(_ checkpoint: Checkpoint) {
        let place = CheckpointPlace(namespace: checkpoint.key.namespace, id: checkpoint.key.id)
        times[place] = NamespaceSummary.Step(id: place.id, document: checkpoint.document).time
        // What is not JSON has none.
        let values = (try? checkpoint.document.value)?["channel_values"]
        for (name, value) in values.lastMembers {
            guard let channel = name.string else { continue }
            inline[place, default: [:]][Identifier(channel)] = value.text.bytes.count
        }
        // What is not JSON names none.
        for version in (try? ChannelVersion.all(in: checkpoint.document)) ?? [] {
            origins[ThreadOutline.BlobKey(namespace: place.namespace, version: version)] = place
        }
    }
}
