import Checkpoints
import GRDB

/// What one transaction sees: the file, and what is in memory of it.
struct Snapshot {
    let db: Database
    /// The last commit that it is known to see.
    let commit: Int
    private let recent: RecentBlobs
    /// Nil for a transaction that changes something: what it reads may be rolled back, and is not remembered.
    private let commits: CommitClock?

    init(_ db: Database, commit: Int, _ recent: RecentBlobs, remembering commits: CommitClock?) {
        self.db = db
        self.commit = commit
        self.recent = recent
        self.commits = commits
    }

    /// Whether what another snapshot saw of a thread's rows may be gone.
    func isCut(_ thread: Int64, since snapshot: Int) -> Bool { recent.isCut(thread, since: snapshot) }

    /// The blob if it is in memory; else what `read` finds, which is then remembered, unless it may be rolled back.
    func blob(_ key: RecentBlobs.Key, _ read: () throws -> RecentBlobs.Blob?) rethrows -> RecentBlobs.Blob? {
        if let blob = recent.blob(key, seenAt: commit) { return blob }
        guard let blob = try read() else { return nil }
        if let commits { recent.add(blob, key, commit: commits.seenByAny, readIn: commit) }
        return blob
    }
}
