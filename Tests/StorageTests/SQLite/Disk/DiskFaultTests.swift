import Checkpoints
import Foundation
import GRDB
import SQLiteStorage
import TestSupport
import Testing

/// The disk fails a call, for every call until none is met: nothing that was answered is lost, what was refused is whole
/// or absent, reads go on, and the store goes on by itself.
///
/// The short form fails every sync; of the others the first, and then ever fewer. `MILEPOST_EVERY_FAULT=1` fails every one.
@Suite("A failing disk", .timeLimit(.minutes(60)))
struct DiskFaultTests {
    struct Kind: CustomTestStringConvertible, Sendable {
        let call: FaultyDisk.Call
        let code: ResultCode
        let lasts: Bool

        var testDescription: String { "\(call) \(code.rawValue)\(lasts ? ", from then on" : "")" }

        static let all: [Kind] = [
            Kind(call: .write, code: .SQLITE_IOERR_WRITE, lasts: false),
            Kind(call: .write, code: .SQLITE_FULL, lasts: false),
            Kind(call: .write, code: .SQLITE_FULL, lasts: true),
            Kind(call: .sync, code: .SQLITE_IOERR_FSYNC, lasts: false),
            Kind(call: .sync, code: .SQLITE_IOERR_FSYNC, lasts: true),
            Kind(call: .truncate, code: .SQLITE_IOERR_TRUNCATE, lasts: false),
            Kind(call: .open, code: .SQLITE_CANTOPEN, lasts: false),
            Kind(call: .delete, code: .SQLITE_IOERR_DELETE, lasts: true),
            Kind(call: .map, code: .SQLITE_IOERR_SHMMAP, lasts: false),
            Kind(call: .lock, code: .SQLITE_IOERR_LOCK, lasts: false),
            Kind(call: .read, code: .SQLITE_IOERR_READ, lasts: false),
        ]
    }

    private static let isLong = ProcessInfo.processInfo.environment["MILEPOST_EVERY_FAULT"] != nil
    private static let shortCount = 5

    /// Runs `script` with the fault at call 1, 2, … until it is not met.
    private func everyFault(
        _ name: String,
        _ kind: Kind,
        _ seed: UInt64,
        _ script: (FaultyDisk.Fault) async throws -> DiskScript.Figures
    ) async throws {
        var (sum, places, number) = (DiskScript.Figures(), 0, 1)
        while true {
            let fault = FaultyDisk.Fault(call: kind.call, number: number, lasts: kind.lasts, code: kind.code)
            let figures = try await script(fault)
            guard figures.faults > 0 else { break }
            sum += figures
            places += 1
            number += Self.isLong || kind.call == .sync || number < Self.shortCount ? 1 : number / 2
        }
        // Whether a file is made shorter depends on when the log was moved.
        #expect(places > 0 || kind.call == .truncate)
        #expect(sum.losses == [], "seed \(seed)")
        print(
            "\(name), \(kind.testDescription): at \(places) places \(sum.faults) faults, \(sum.failedStarts) starts failed, "
                + "\(sum.refusals) calls refused, \(sum.doneAndRefused) of them done, \(sum.restarts) stores checked, "
                + "\(sum.losses.count) losses")
    }

    @Test("a call that fails, at every place of a script of all changes", arguments: Kind.all)
    func everyCall(_ kind: Kind) async throws {
        let seed = testSeed("DiskFault.everyCall")
        try await everyFault("a failing disk", kind, seed) { fault in
            var script = DiskScript(try FaultyDisk(), fault, seed: seed)
            try await script.run()
            return script.figures
        }
    }

    /// The kernel then takes for written what is not, and shows it to the process that comes next.
    @Test("a sync that fails, then a kill, a start, a change, and a loss of power at any moment")
    func killedAfterFailedSync() async throws {
        let seed = testSeed("DiskFault.killedAfterFailedSync")
        let kind = Kind(call: .sync, code: .SQLITE_IOERR_FSYNC, lasts: false)
        try await everyFault("a failing disk, and a kill", kind, seed) { fault in
            var script = DiskScript(try FaultyDisk(), fault, seed: seed)
            try await script.runUntilKilled()
            return script.figures
        }
    }

    /// Those that a start meets most.
    private static let startKinds = [Kind.all[2], Kind.all[3], Kind.all[10]]

    @Test(
        "a call that fails while a file of an earlier layout is brought up to date",
        arguments: [2, 3], startKinds)
    func migration(_ layout: Int, _ kind: Kind) async throws {
        let seed = testSeed("DiskFault.migration")
        let directory = try TemporaryDirectory()
        let old = directory.file("a.db")
        try Self.make(layout, at: old)
        let migrated = directory.file("b.db")
        try FileManager.default.copyItem(atPath: old, toPath: migrated)
        let store = try SQLiteStore(path: migrated)
        let expected = try await store.contents()
        await store.close()
        try #require(!expected.isEmpty)
        try await everyFault("a failing disk, layout \(layout)", kind, seed) { fault in
            let disk = try FaultyDisk()
            try FileManager.default.copyItem(atPath: old, toPath: disk.path)
            var script = DiskScript(disk, fault, first: expected, seed: seed)
            try await script.run([])
            return script.figures
        }
    }

    /// The file as the last program of that layout left it.
    private static func make(_ layout: Int, at path: String) throws {
        let repository = (0..<5).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let dump = repository.appendingPathComponent("e2e/golden/layout-\(layout).sql")
        let database = try DatabaseQueue(path: path)
        try database.writeWithoutTransaction { db in
            try db.execute(sql: String(contentsOf: dump, encoding: .utf8))
            try db.execute(sql: "PRAGMA journal_mode = WAL")
        }
        try database.close()
    }

    // MARK: - By themselves

    /// SQLite tells that it turned the log on before it has committed that.
    @Test(
        "a first start that succeeds has the log on, whatever failed in it",
        arguments: [Kind.all[0], Kind.all[3], Kind.all[10]])
    func logIsOn(_ kind: Kind) async throws {
        var (number, isMet, failed) = (0, true, 0)
        while isMet {
            number += 1
            let disk = try FaultyDisk()
            disk.inject(FaultyDisk.Fault(call: kind.call, number: number, lasts: false, code: kind.code))
            let store = try? SQLiteStore(path: disk.path)
            isMet = disk.faultsMet > 0
            failed += store == nil ? 1 : 0
            disk.inject(nil)
            guard let store else { continue }
            let other = try DatabaseQueue(path: disk.path)
            #expect(try await other.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal", "\(number)")
            try other.close()
            await store.close()
        }
        #expect(failed > 0)
    }

    @Test("a copy that fails says so with the name of a file", arguments: Kind.all.filter { !$0.lasts })
    func copy(_ kind: Kind) async throws {
        let disk = try FaultyDisk()
        let store = try SQLiteStore(path: disk.path)
        try await store.put(.sample(.sample("c1")), blobs: [.sample("a")])
        let copy = disk.directory.file("copy.db")
        var (number, isMet, failed) = (0, true, 0)
        while isMet {
            number += 1
            try Data().write(to: URL(fileURLWithPath: copy))
            disk.inject(FaultyDisk.Fault(call: kind.call, number: number, lasts: false, code: kind.code))
            do {
                _ = try SQLiteBackup.copy(from: disk.path, to: copy)
            } catch {
                failed += 1
                let problem = (error as? StoreOpenError)?.problem ?? ""
                #expect(problem.contains(disk.directory.path), "\(kind), number \(number): \(error)")
            }
            isMet = disk.faultsMet > 0
        }
        #expect(failed > 0 || [.sync, .truncate].contains(kind.call), "\(kind)")
        await store.close()
    }
}
