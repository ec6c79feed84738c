import Glibc

/// Files that belong together and that somebody may replace while they are in use.
package struct WatchedFiles: Sendable {
    /// What one is known again by.
    private struct Stamp: Hashable {
        let device: UInt
        let inode: UInt
        let size: Int
        let modified: [Int]
        let changed: [Int]

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
            size = Int(status.st_size)
            modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
            changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
        }
    }

    private let paths: [String]
    private var used: [Stamp?]
    private var seen: [Stamp?]

    /// As they are now; asked before they are read, so that no change is missed.
    package init(_ paths: [String]) {
        self.paths = paths
        used = paths.map { Stamp($0) }
        seen = used
    }

    /// Whether they are others than when this last said so.
    ///
    /// Says so at the second look that finds them the same: between two looks somebody may have replaced one of a pair.
    package mutating func haveChanged() -> Bool {
        let now = paths.map { Stamp($0) }
        defer { seen = now }
        guard now != used, now == seen else { return false }
        used = now
        return true
    }
}
