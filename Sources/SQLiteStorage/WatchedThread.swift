import Checkpoints

/// The thread that a sweep is at, and whether a change has touched it since the sweep looked at it.
///
/// Used on the writer's thread alone. A change that was rolled back counts as one that touched it: the sweep then looks again.
final class WatchedThread {
    private var thread: ThreadKey?

    /// From now on until a change names it.
    func begin(_ thread: ThreadKey) {
        self.thread = thread
    }

    /// Called for every thread that a change touches.
    func touch(_ thread: ThreadKey) {
        if self.thread != nil, self.thread == thread { self.thread = nil }
    }

    /// Whether it is watched and was not touched.
    func isUntouched(_ thread: ThreadKey) -> Bool { self.thread == thread }
}
