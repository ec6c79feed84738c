package import Checkpoints
import Glibc
import SystemPackage

/// The file that has the keys of a server, without what is secret in them.
///
/// Only its owner may use it. A change replaces it whole, so that who reads it finds the old keys or the new ones, and is
/// made under a lock, so that two at once lose nothing.
package struct APIKeyFile: Sendable {
    /// Some 50,000 keys.
    private static let maximumBytes = 16 << 20

    package let path: String

    package init(path: String) {
        self.path = path
    }

    /// The keys, in the order in which they were made.
    package func read() throws(APIKeyFileError) -> [APIKeyRecord] {
        try load().records
    }

    /// Makes a key, and the file when there is none.
    ///
    /// Nobody can be told the key again. It is on disk when this returns.
    package func create(
        tenant: Tenant,
        scopes: Set<Scope>,
        expires: APIKeyTime?,
        threadPrefix: Identifier = "",
        note: String = "",
        at time: APIKeyTime = .now
    ) throws(APIKeyFileError) -> (key: APIKey, record: APIKeyRecord) {
        let key = APIKey()
        var made: APIKeyRecord?
        try change(creating: true) { (records) throws(APIKeyFileError) in
            let record = APIKeyRecord(
                id: Self.newID(besides: records),
                hash: key.hash,
                tenant: tenant,
                scopes: scopes,
                created: time,
                expires: expires,
                threadPrefix: threadPrefix,
                note: note
            )
            records.append(record)
            made = record
        }
        guard let made else { preconditionFailure("a change that was made has a record") }
        return (key, made)
    }

    /// Marks keys as revoked, all of them or, when there is none of one of the ids, none; answers with their records.
    ///
    /// One that was revoked before stays as it is.
    package func revoke(
        _ ids: [String],
        at time: APIKeyTime = .now
    ) throws(APIKeyFileError) -> [APIKeyRecord] {
        var revoked: [APIKeyRecord] = []
        try change(creating: false) { (records) throws(APIKeyFileError) in
            for id in ids {
                guard let index = records.firstIndex(where: { $0.id == id }) else { throw Self.unknown(id) }
                records[index].revoked = records[index].revoked ?? time
                revoked.append(records[index])
            }
        }
        return revoked
    }

    /// The keys, and what the file that has them is known again by.
    func load() throws(APIKeyFileError) -> (records: [APIKeyRecord], status: FileStatus) {
        let descriptor: FileDescriptor
        do {
            // A pipe of that name would be waited for.
            descriptor = try .open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch Errno.noSuchFileOrDirectory, Errno.notDirectory {
            throw .missing(path)
        } catch {
            throw .notAccessible("open \(path)", "\(error)")
        }
        // It was only read from.
        defer { close(descriptor.rawValue) }
        guard let status = FileStatus(of: descriptor.rawValue), status.isRegular else {
            throw .notAccessible("read \(path)", "it is not a file")
        }
        guard status.isPrivate else { throw .exposed(path, mode: status.permissions) }
        let bytes = try bytes(of: descriptor)
        do throws(APIKeyFileFlaw) {
            return (try [APIKeyRecord](file: bytes), status)
        } catch {
            throw .malformed(path, error.description)
        }
    }

    private func bytes(of descriptor: FileDescriptor) throws(APIKeyFileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        do {
            while true {
                let count = try chunk.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                if count == 0 { return bytes }
                bytes += chunk.prefix(count)
                guard bytes.count <= Self.maximumBytes else { break }
            }
        } catch {
            throw .notAccessible("read \(path)", "\(error)")
        }
        throw .malformed(path, "it has more than \(Self.maximumBytes >> 20) MiB")
    }

    private static func newID(besides records: [APIKeyRecord]) -> String {
        while true {
            let digits = String(UInt32.random(in: .min ... .max), radix: 16)
            let id = String(repeating: "0", count: 8 - digits.count) + digits
            if !records.contains(where: { $0.id == id }) { return id }
        }
    }

    private static func unknown(_ id: String) -> APIKeyFileError {
        // It may be the key itself, in whole or in part.
        let isShown = id.utf8.count <= 16 && id.isPlainName
        return APIKeyFileError(
            .unknownID,
            "no key has the id \(isShown ? "'\(id)'" : "that was given")",
            hint: "give the id of a key, not the key; 'milepost keys list' shows it"
        )
    }
}

extension APIKeyFileError {
    fileprivate static func exposed(_ path: String, mode: String) -> APIKeyFileError {
        APIKeyFileError(
            .exposed, "other users than its owner may use the key file \(path) (mode \(mode))",
            hint: "run 'chmod 600 \(path)'"
        )
    }
}
