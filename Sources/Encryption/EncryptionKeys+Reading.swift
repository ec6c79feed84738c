import Checkpoints
import Glibc

extension EncryptionKeys {
    /// Bytes that a file or a command may give at most.
    private static let limit = 64 << 10

    /// Reads a file that is kept from others, as `SecretFileAccess` has it.
    package init(file path: String) throws(EncryptionError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .system("open \(path)", errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("look at \(path)", errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw EncryptionError("\(path) is no file; give encryption-keys-file the path of one")
        }
        guard SecretFileAccess.isPrivate(mode: status.st_mode, owner: status.st_uid, user: geteuid()) else {
            throw EncryptionError("\(path) can be read by others than its owner; run 'chmod 600 \(path)'")
        }
        let source = PipeReader(descriptor: descriptor, limit: Self.limit)
        guard let text = try source.read(until: nil, from: path) else {
            throw EncryptionError("\(path) could not be read")
        }
        try self.init(parsing: text, source: path)
    }

    /// Runs `command` with `/bin/sh -c` and takes what it prints, which has the form of a file.
    ///
    /// Its standard error is this program's. Blocks until it ends, for 30 seconds at most: then it is killed, with all that it
    /// started in its process group.
    package init(command: String, timeout: Duration = .seconds(30)) throws(EncryptionError) {
        let process = try ShellCommand(command)
        let reader = PipeReader(descriptor: process.output, limit: Self.limit)
        let deadline = ContinuousClock.now + timeout
        let text: [UInt8]?
        do throws(EncryptionError) {
            text = try reader.read(until: deadline, from: "what encryption-keys-command printed")
        } catch {
            process.kill()
            throw error
        }
        guard let text, let status = process.wait(until: deadline) else {
            process.kill()
            throw EncryptionError(
                "encryption-keys-command took longer than \(timeout.components.seconds) seconds; run it by hand to see why"
            )
        }
        guard status == 0 else {
            throw EncryptionError("encryption-keys-command ended with \(status); run it by hand to see why")
        }
        try self.init(parsing: text, source: "what encryption-keys-command printed")
    }
}

extension EncryptionError {
    fileprivate static func system(_ action: String, _ code: Int32) -> EncryptionError {
        EncryptionError("cannot \(action): \(String(cString: strerror(code))); check encryption-keys-file")
    }
}

/// Reads what a descriptor has, up to a limit.
private struct PipeReader {
    let descriptor: Int32
    let limit: Int

    /// Nil when it did not come to its end in time.
    func read(until deadline: ContinuousClock.Instant?, from source: String) throws(EncryptionError) -> [UInt8]? {
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4 << 10)
        while true {
            if let deadline {
                let left = max(0, (deadline - .now) / .milliseconds(1))
                var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                let found = Glibc.poll(&poll, 1, Int32(left.rounded(.up)))
                if found == 0 { return nil }
                if found < 0 && errno == EINTR { continue }
            }
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw EncryptionError("cannot read \(source): \(String(cString: strerror(errno)))")
            }
            if count == 0 { return text }
            text += part.prefix(count)
            guard text.count <= limit else {
                throw EncryptionError("\(source) has more than \(limit >> 10) KiB; give it keys alone")
            }
        }
    }
}

/// A command of the shell's that runs in a process group of its own.
private struct ShellCommand: ~Copyable {
    /// Where its standard output is read.
    let output: Int32
    private let process: pid_t

    init(_ command: String) throws(EncryptionError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Self.failure(errno) }
        defer { close(ends[1]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        var arguments = ["/bin/sh", "-c", command].map { (text: String) in strdup(text) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, environ)
        guard code == 0 else {
            close(ends[0])
            throw Self.failure(code)
        }
        self.process = process
        output = ends[0]
    }

    private static func failure(_ code: Int32) -> EncryptionError {
        EncryptionError("encryption-keys-command cannot be run: \(String(cString: strerror(code))); check /bin/sh")
    }

    /// Its exit code, or 128 and the signal that ended it; nil when it goes on.
    func wait(until deadline: ContinuousClock.Instant) -> Int32? {
        while true {
            var status: Int32 = 0
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F) }
            guard ended == 0 || errno == EINTR, ContinuousClock.now < deadline else { return nil }
            usleep(1_000)
        }
    }

    func kill() {
        Glibc.kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }

    deinit {
        close(output)
    }
}
