/// Files that belong together and that somebody may replace while they are in use.
package struct WatchedFiles: Sendable {
    private let paths: [String]
    private var used: [FileStatus?]
    private var seen: [FileStatus?]

    /// As they are now; asked before they are read, so that no change is missed.
    package init(_ paths: [String]) {
        self.paths = paths
        used = Self.look(at: paths)
        seen = used
    }

    /// Whether they are others than when this last said so.
    ///
    /// Says so at the second look that finds them the same: between two looks somebody may have replaced one of a pair.
    package mutating func haveChanged() -> Bool {
        let now = Self.look(at: paths)
        defer { seen = now }
        guard now != used, now == seen else { return false }
        used = now
        return true
    }

    private static func look(at paths: [String]) -> [FileStatus?] {
        // What cannot be looked at is like what is not there: whoever reads it says why.
        paths.map { try? FileStatus.named($0) }
    }
}
