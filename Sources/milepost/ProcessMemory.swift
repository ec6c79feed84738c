import Glibc
import SystemPackage

/// What the process tells the C library and the kernel about its memory.
enum ProcessMemory {
    /// Makes glibc give a freed megabyte or more back to the system.
    ///
    /// Otherwise it raises this threshold to the largest body it has seen and keeps what follows, in pieces that the
    /// next body does not fit into. https://man7.org/linux/man-pages/man3/mallopt.3.html
    static func returnFreedMegabytes() {
        // Swift's Glibc module leaves <malloc.h> out.
        typealias Mallopt = @convention(c) (_ parameter: CInt, _ value: CInt) -> CInt
        let mmapThreshold: CInt = -3
        guard let symbol = dlsym(nil, "mallopt") else { return }
        _ = unsafeBitCast(symbol, to: Mallopt.self)(mmapThreshold, 1_024 * 1_024)
    }

    /// Gives back the pages of the program and its libraries that starting has touched: two thirds of what the process
    /// has in memory then, and most are not needed again.
    ///
    /// They are parts of files that may not be written to and have not been, as what the loader relocates has, so that
    /// the kernel finds what is needed again in its own cache. https://man7.org/linux/man-pages/man2/madvise.2.html
    ///
    /// Does nothing where the kernel does not tell what is mapped.
    static func returnStartPages() {
        guard let mappings = try? readMappings() else { return }  // Nothing is lost but the saving.
        var candidate: Range<UInt>?
        for line in mappings.split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            if fields[0] == "Private_Dirty:" {
                if let range = candidate, fields[1] == "0",
                    let start = UnsafeMutableRawPointer(bitPattern: range.lowerBound)
                {
                    madvise(start, range.count, MADV_DONTNEED)
                }
            } else if fields.count > 1, !fields[0].hasSuffix(":") {
                candidate = fileRange(fields)
            }
        }
    }

    /// Where a file is mapped that cannot be written to there, by the head of its entry.
    private static func fileRange(_ fields: [Substring]) -> Range<UInt>? {
        guard fields.count == 6, ["r-xp", "r--p"].contains(fields[1]), fields[5].hasPrefix("/") else { return nil }
        let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
    }

    private static func readMappings() throws -> String {
        let file = try FileDescriptor.open("/proc/self/smaps", .readOnly)
        return try file.closeAfter {
            var text: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = try part.withUnsafeMutableBytes { try file.read(into: $0) }
                if count == 0 { return String(decoding: text, as: UTF8.self) }
                text += part[..<count]
            }
        }
    }
}
