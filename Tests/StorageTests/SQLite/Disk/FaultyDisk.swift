import CFaultyDisk
import Foundation
import GRDB
import Synchronization
import TestSupport

/// The disk under one directory: it fails the calls it is told to, and knows what a loss of power would leave.
///
/// Files there are real and read as ever: they are what the kernel has in memory. `DiskImage` is what is behind that. Every
/// SQLite connection of the process goes through the wrapper of CFaultyDisk, which hands over only what is in a
/// directory of one of these.
final class FaultyDisk: Sendable {
    enum Call: UInt32, CaseIterable, Sendable {
        case open, read, write, truncate, sync, delete, map, lock
    }

    /// Fails a kind of call: the one with this number, counted from 1, or that one and all after it.
    struct Fault: Sendable {
        let call: Call
        let number: Int
        let lasts: Bool
        let code: ResultCode
    }

    /// What there was at a moment.
    struct Crash: Sendable {
        let image: DiskImage
        let progress: [Int]
    }

    private struct State {
        var image = DiskImage()
        var counts: [Call: Int] = [:]
        var fault: Fault?
        var faultsMet = 0
        var ignoresSyncs = false
        var calls = 0
        var crashes: [Crash] = []
    }

    let directory: TemporaryDirectory
    private let state: Mutex<State>
    /// Changes after which a moment is remembered, in calls; 0 for never.
    private let crashInterval: Int
    private let progress: @Sendable () -> [Int]

    /// Takes over an empty directory, or one with what `image` says of its files.
    init(
        image: DiskImage = DiskImage(),
        ignoresSyncs: Bool = false,
        crashEvery crashInterval: Int = 0,
        progress: @escaping @Sendable () -> [Int] = { [] }
    ) throws {
        directory = try TemporaryDirectory()
        self.crashInterval = crashInterval
        self.progress = progress
        var first = State()
        first.image = image
        first.ignoresSyncs = ignoresSyncs
        state = Mutex(first)
        _ = Self.isInstalled
        Self.disks.withLock { $0[directory.path] = Unowned(disk: self) }
    }

    deinit {
        let path = directory.path
        Self.disks.withLock { $0[path] = nil }
    }

    var path: String { directory.file("a.db") }

    /// From now on this happens; calls are counted anew.
    func inject(_ fault: Fault?) {
        state.withLock { state in
            state.fault = fault
            state.counts = [:]
            state.faultsMet = 0
        }
    }

    /// Calls that were failed since the last `inject`.
    var faultsMet: Int { state.withLock { $0.faultsMet } }

    var image: DiskImage { state.withLock { $0.image } }

    /// The moments that were remembered.
    var crashes: [Crash] { state.withLock { $0.crashes } }

    /// Another disk on which the same files are, in memory and behind it: that of a process that begins where this
    /// one's was killed.
    func restarted(crashEvery interval: Int = 0) throws -> FaultyDisk {
        let disk = try FaultyDisk(image: image, crashEvery: interval)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path)
        where !name.hasSuffix("-shm") && !name.hasSuffix(".lock") {
            try FileManager.default.copyItem(atPath: directory.file(name), toPath: disk.directory.file(name))
        }
        return disk
    }

    // MARK: - What the wrapper calls

    /// The disk is there as long as a connection may use it: tests close their stores first.
    private struct Unowned: @unchecked Sendable {
        unowned let disk: FaultyDisk
    }

    private static let disks = Mutex<[String: Unowned]>([:])

    private static let isInstalled: Bool = {
        let code = faulty_disk_install(
            { path in path.map { FaultyDisk.at($0) != nil } == true ? 1 : 0 },
            { request in
                guard let request, let path = request.pointee.path, let disk = FaultyDisk.at(path) else { return 0 }
                return disk.decide(request.pointee, name: String(cString: path).lastName)
            }
        )
        precondition(code == 0, "SQLite refused the wrapper")
        return true
    }()

    private static func at(_ path: UnsafePointer<CChar>) -> FaultyDisk? {
        let directory = String(cString: path).directory
        return disks.withLock { $0[directory]?.disk }
    }

    private func decide(_ request: faulty_request, name: String) -> Int32 {
        guard let call = Call(rawValue: request.call.rawValue) else { return 0 }
        return state.withLock { state in
            if crashInterval > 0, call != .read && call != .lock && call != .map {
                state.calls += 1
                if state.calls.isMultiple(of: crashInterval) {
                    state.crashes.append(Crash(image: state.image, progress: progress()))
                }
            }
            state.counts[call, default: 0] += 1
            if let fault = state.fault, fault.call == call, let count = state.counts[call],
                fault.lasts ? count >= fault.number : count == fault.number
            {
                state.faultsMet += 1
                // What was to be flushed may be gone, and a later flush says nothing of it.
                if call == .sync { state.image.loseUnsynced(name) }
                return fault.code.rawValue
            }
            record(request, call, name, in: &state)
            return 0
        }
    }

    private func record(_ request: faulty_request, _ call: Call, _ name: String, in state: inout State) {
        switch call {
        case .open:
            state.image.open(
                name, content: { FileManager.default.contents(atPath: self.directory.file(name)) },
                mayCreate: request.count != 0)
        case .write:
            let bytes = Array(UnsafeRawBufferPointer(start: request.bytes, count: Int(request.count)))
            state.image.change(name, .write(Int(request.offset), bytes))
        case .truncate: state.image.change(name, .truncate(Int(request.offset)))
        case .sync: if !state.ignoresSyncs { state.image.sync(name) }
        case .delete: state.image.delete(name)
        case .read, .map, .lock: break
        }
    }
}

extension String {
    fileprivate var lastName: String { (self as NSString).lastPathComponent }
    fileprivate var directory: String { (self as NSString).deletingLastPathComponent }
}
