import Checkpoints
import Glibc

/// What a file is known again by: as long as this stays the same, so does what it holds.
///
/// A change within the same tick of the kernel's clock may not show in it; see `isSettled(at:)`.
struct FileStatus: Hashable, Sendable {
    private let device: UInt
    private let inode: UInt
    private let size: Int
    private let mode: UInt32
    /// When the content changed, in nanoseconds since 1970.
    private let modified: Int
    /// When anything did, the owner and the mode too; nobody can set it.
    private let changed: Int
    let owner: UInt32
    let group: UInt32

    /// nil when there is none of that name; else throws what the system says.
    static func named(_ path: String) throws(APIKeyFileError) -> FileStatus? {
        var status = stat()
        guard stat(path, &status) != 0 else { return FileStatus(status) }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw .notAccessible("look at \(path)", String(cString: strerror(errno)))
        }
        return nil
    }

    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
        size = Int(status.st_size)
        mode = status.st_mode
        modified = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
        changed = status.st_ctim.tv_sec * 1_000_000_000 + status.st_ctim.tv_nsec
        owner = status.st_uid
        group = status.st_gid
    }

    var isRegular: Bool { mode & S_IFMT == S_IFREG }

    /// Whether it is kept from others than who runs this.
    var isPrivate: Bool { SecretFileAccess.isPrivate(mode: mode, owner: owner, user: geteuid()) }

    /// As `chmod` takes them.
    var permissions: String { String(mode & 0o777, radix: 8) }

    /// Whether it changed so long ago that another change would show.
    func isSettled(at time: APIKeyTime) -> Bool {
        time.seconds - changed / 1_000_000_000 >= 2
    }
}
