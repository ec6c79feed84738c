import Checkpoints
import Glibc

/// Reading from and writing to what the operator named, or the program's own input and output.
package struct FileStream: ~Copyable {
    package let descriptor: Int32
    private let name: String
    private let isOwned: Bool

    private init(_ descriptor: Int32, name: String, isOwned: Bool) {
        self.descriptor = descriptor
        self.name = name
        self.isOwned = isOwned
    }

    deinit {
        if isOwned { close(descriptor) }
    }

    package static var standardInput: FileStream {
        FileStream(STDIN_FILENO, name: "standard input", isOwned: false)
    }

    package static var standardOutput: FileStream {
        FileStream(STDOUT_FILENO, name: "standard output", isOwned: false)
    }

    package static func input(path: String) throws(TransferError) -> FileStream {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .notAccessible("open \(path)", hint: "give --input a file that is there") }
        return FileStream(descriptor, name: path, isOwned: true)
    }

    /// A file that this user alone may read, made when there is none; nobody else writes to it meanwhile.
    package static func output(path: String) throws(TransferError) -> FileStream {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notAccessible(
                "open \(path)", hint: "give --output a file in a directory that this user may write to")
        }
        let file = FileStream(descriptor, name: path, isOwned: true)
        guard file.regularSize != nil else {
            throw TransferError(
                .notAccessible, "\(path) is not a file", hint: "give --output a file, or leave it out and use '>'")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw TransferError(
                .notAccessible, "another export writes to \(path)", hint: "wait for it, or name another file")
        }
        return file
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Bytes of a regular file; nil for anything else.
    package var regularSize: Int? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// For a reader of an export, while this value lives.
    package var input: (_ count: Int) throws(TransferError) -> [UInt8] {
        let (descriptor, name) = (descriptor, name)
        return { count throws(TransferError) in
            var result = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                repeat { result = read(descriptor, buffer.baseAddress, count) } while result < 0 && errno == EINTR
                initialized = max(result, 0)
            }
            guard result >= 0 else { throw .notAccessible("read \(name)", hint: "see to it and try again") }
            return bytes
        }
    }

    /// For a writer of an export, while this value lives.
    package var output: ExportWriter.Output {
        let (descriptor, name) = (descriptor, name)
        return { bytes throws(TransferError) in
            Failpoint.pass("export before write")
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else {
                    throw .notAccessible("write to \(name)", hint: "see to its disk or reader, and export again")
                }
                rest = rest.dropFirst(count)
            }
            Failpoint.pass("export after write")
        }
    }

    /// Makes what was written durable.
    package func flush() throws(TransferError) {
        Failpoint.pass("export before flush")
        guard fsync(descriptor) == 0 else { throw .notAccessible("write to \(name)", hint: "see to its disk") }
    }

    /// Finds where the unfinished export in this file can be gone on with, and cuts what is after that.
    ///
    /// Throws when it is whole, damaged, or was made from another store.
    package func resume(from store: String) throws(TransferError) -> ExportReader.Boundary {
        let reader = ExportReader(input)
        do throws(TransferError) {
            while try reader.next() != nil {}
            throw TransferError(
                .finished, "\(name) is a finished export", hint: "name another file, or delete this one first")
        } catch  where error.kind == .cutOff {
            // What an export that was ended leaves.
        } catch  where error.kind == .notAnExport {
            throw TransferError(
                .notAnExport, "\(name) is there and is not an export that can be gone on with",
                hint: "name another file, or delete this one first")
        } catch  where error.kind == .damaged {
            throw TransferError(.damaged, "\(name): \(error.problem)", hint: "delete it and export again")
        }
        guard reader.store == store else {
            throw TransferError(
                .finished, "\(name) was begun from another store, \(reader.store.quotedForOneLine)",
                hint: "name another file, or give --store as it was")
        }
        let boundary = reader.boundary
        guard ftruncate(descriptor, off_t(boundary.offset)) == 0,
            lseek(descriptor, off_t(boundary.offset), SEEK_SET) == off_t(boundary.offset)
        else { throw .notAccessible("go on with \(name)", hint: "name another file") }
        return boundary
    }
}

extension TransferError {
    /// What the last system call answered.
    fileprivate static func notAccessible(_ action: String, hint: String) -> TransferError {
        TransferError(.notAccessible, "cannot \(action): \(String(cString: strerror(errno)))", hint: hint)
    }
}
