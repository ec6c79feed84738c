import CLinux
import Glibc
import SQLiteStorage

/// The disk under an SQLite store: room, kind, how it takes a flush, and who may write there.
struct DiskChecks {
    /// What a log may come to while it cannot be moved into the file.
    private static let logBytes = 64 << 20
    private static let lowBytes = 1 << 30
    private static let lowPercent = 20
    private static let lowFiles = 100
    private static let probes = 16
    /// No disk, and no controller with a battery, writes 4 KiB faster.
    private static let implausible = Duration.microseconds(20)
    private static let slow = Duration.milliseconds(30)
    /// https://man7.org/linux/man-pages/man2/statfs.2.html; whether locks and flushes can be relied on there.
    private static let kinds: [(magic: Int, name: String, words: String)] = [
        (0x6969, "NFS", network), (0x517B, "SMB", network), (0xFF53_4D42, "CIFS", network),
        (0xFE53_4D42, "SMB2", network), (0x0102_1997, "9p", network), (0x00C3_6400, "Ceph", network),
        (0x0BD0_0BD0, "Lustre", network), (0x5346_414F, "AFS", network), (0x6573_5546, "FUSE", network),
        (0x0102_1994, "tmpfs", memory), (0x8584_58F6, "ramfs", memory), (0x794C_7630, "overlayfs", layer),
    ]
    private static let network =
        "where locks and flushes may not be what they say; put the store on a local disk, or use PostgreSQL"
    private static let memory = "which ends with the machine; put the store on a disk"
    private static let layer =
        "the writable layer of a container, which ends with it; put the store on a volume"

    /// Of the store.
    let path: String
    let directory: String

    init(path: String) {
        self.path = path
        directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    func findings() -> [Finding] {
        let permissions = permissions()
        guard permissions.state != .problem else { return [permissions] }
        return [permissions, space(), fileSystem(), flush()]
    }

    // MARK: - Permissions

    private func permissions() -> Finding {
        func problem(_ text: String) -> Finding { Finding("permissions", .problem, text) }
        guard access(directory, W_OK | X_OK) == 0 else {
            return problem(
                "this user may not write to \(directory) (\(reason)), where the log and the lock of the store are; "
                    + "check its owner and mode, and that it is not mounted read-only"
            )
        }
        for suffix in ["", "-wal", "-shm", ".lock"] where access(path + suffix, F_OK) == 0 {
            guard access(path + suffix, R_OK | W_OK) == 0 else {
                return problem(
                    "this user may not read and write \(path)\(suffix) (\(reason)); check its owner and mode")
            }
        }
        guard let file = Durable.facts(path) else {
            return Finding("permissions", .ok, "\(path) is not there yet; a server makes it")
        }
        guard file.isFile else { return problem("\(path) is not a file; give --store another path") }
        guard file.permissions & 0o077 == 0 else {
            return Finding(
                "permissions", .warning, "others than its owner may use \(path); run 'chmod 600 \(path)'")
        }
        guard file.owner == geteuid() else {
            return Finding(
                "permissions", .warning,
                "\(path) belongs to the user \(file.owner), and this is \(geteuid()); run this command, and every other "
                    + "one on the store, as the server's user"
            )
        }
        return Finding("permissions", .ok, "this user may write \(path), and nobody else may read it")
    }

    private var reason: String { String(cString: strerror(errno)) }

    // MARK: - Space

    private func space() -> Finding {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else {
            return Finding("disk", .warning, "cannot look at \(directory): \(reason)")
        }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        let percent = status.f_blocks == 0 ? 100 : Int(status.f_bavail * 100 / status.f_blocks)
        let size = Durable.size(path) ?? 0
        let words =
            "\((free / 1_000_000).grouped) MB free (\(percent) %), the store has \((size / 1_000_000).grouped) MB"
        guard free >= Self.logBytes else {
            return Finding("disk", .problem, "\(words): its log does not fit any more; make room, or changes get 503")
        }
        // Some file systems do not count them.
        guard status.f_files == 0 || status.f_favail >= Self.lowFiles else {
            return Finding("disk", .problem, "\(directory) has room for \(status.f_favail) files; remove some others")
        }
        guard free >= Self.lowBytes, percent >= Self.lowPercent else {
            return Finding("disk", .warning, "\(words); make room before it is full")
        }
        return Finding("disk", .ok, words)
    }

    private func fileSystem() -> Finding {
        let magic = milepost_file_system(directory)
        guard magic >= 0 else {
            return Finding("file system", .warning, "cannot look at \(directory): \(reason)")
        }
        guard let kind = Self.kinds.first(where: { $0.magic == magic }) else {
            return Finding("file system", .ok, "a local one")
        }
        return Finding("file system", .warning, "\(directory) is on \(kind.name), \(kind.words)")
    }

    // MARK: - Flushes

    private func flush() -> Finding {
        let probe = path + ".doctor-probe"
        let descriptor = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            return Finding("flush", .problem, "cannot make \(probe) (\(reason)); check the directory's owner and mode")
        }
        defer {
            close(descriptor)
            unlink(probe)
        }
        let page = [UInt8](repeating: 0x4D, count: 4_096)
        var times: [Duration] = []
        for _ in 0..<Self.probes {
            let began = ContinuousClock.now
            guard page.withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) == page.count,
                fdatasync(descriptor) == 0
            else { return Finding("flush", .problem, "cannot write to \(probe) (\(reason)); see to the disk") }
            times.append(ContinuousClock.now - began)
        }
        let median = times.sorted()[Self.probes / 2]
        let words = "a flush takes \(Int(median / .microseconds(1)).grouped) µs"
        if median < Self.implausible {
            return Finding(
                "flush", .warning,
                "\(words), so fast that the disk may not be flushing: a volatile cache, a virtual disk with cache=unsafe, a "
                    + "memory file system or libeatmydata loses acknowledged changes with the power; check which it is"
            )
        }
        if median > Self.slow {
            return Finding("flush", .warning, "\(words), and every group of changes waits for one; use a faster disk")
        }
        return Finding("flush", .ok, words)
    }
}
