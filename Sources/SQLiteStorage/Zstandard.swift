import CZstd
import Checkpoints
import Synchronization

/// Compression with zstd: frames that carry their length and a checksum, which is verified when they are read.
///
/// A frame may be made against a *prefix*, other bytes that it then refers to and that must be given again to read it.
/// http://facebook.github.io/zstd/zstd_manual.html
enum Zstandard {
    /// zstd's own default: higher levels cost several times as much for a few percent.
    private static let level: Int32 = 3
    /// Longest content that a frame may claim: a damaged one must not make us allocate more.
    private static let contentLimit: UInt64 = 1 << 30
    /// The window of a frame is at most this power of two, which every reader takes without being told.
    private static let largestWindow: Int32 = 27

    /// Nil when zstd fails, which for memory buffers it does only when out of memory.
    static func compress(_ bytes: [UInt8], prefix: [UInt8] = []) -> [UInt8]? {
        contexts.withCompressor { context in
            ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
            ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
            ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
            if !prefix.isEmpty {
                // The window has to reach from the last byte back to the first of the prefix.
                let reach = UInt64(prefix.count + bytes.count)
                let window = Int32(UInt64.bitWidth - reach.leadingZeroBitCount)
                ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, min(max(window, 10), largestWindow))
                // What two versions share is long: look for that first, not for the nearest few equal bytes.
                ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1)
            }
            return prefix.withUnsafeBytes { prefix in
                if !prefix.isEmpty { ZSTD_CCtx_refPrefix(context, prefix.baseAddress, prefix.count) }
                return bytes.withUnsafeBytes { source in
                    fill(capacity: ZSTD_compressBound(source.count)) { target in
                        ZSTD_compress2(context, target.baseAddress, target.count, source.baseAddress, source.count)
                    }
                }
            }
        }
    }

    /// Nil when the frame is damaged, its checksum is wrong, or it was made against another prefix.
    static func decompress(_ frame: [UInt8], prefix: [UInt8] = []) -> [UInt8]? {
        frame.withUnsafeBytes { source in
            let length = ZSTD_getFrameContentSize(source.baseAddress, source.count)
            guard length <= contentLimit else { return nil }
            return contexts.withDecompressor { context in
                ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters)
                return prefix.withUnsafeBytes { prefix in
                    if !prefix.isEmpty { ZSTD_DCtx_refPrefix(context, prefix.baseAddress, prefix.count) }
                    let bytes = fill(capacity: Int(length)) { target in
                        ZSTD_decompressDCtx(context, target.baseAddress, target.count, source.baseAddress, source.count)
                    }
                    return bytes?.count == Int(length) ? bytes : nil
                }
            }
        }
    }

    /// The bytes that `body` wrote, as many as it returns; nil when it returns one of zstd's errors.
    private static func fill(capacity: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) -> [UInt8]? {
        var hasFailed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            let result = body(UnsafeMutableRawBufferPointer(buffer))
            hasFailed = ZSTD_isError(result) != 0
            count = hasFailed ? 0 : result
        }
        return hasFailed ? nil : bytes
    }

    private static let contexts = Contexts()

    /// zstd's working memory, kept for the next call: making it anew costs more than compressing a small blob.
    private final class Contexts: Sendable {
        /// `@unchecked`: a context is used by whoever took it out of the list, and by nobody else.
        private struct Idle: @unchecked Sendable {
            var compressors: [OpaquePointer] = []
            var decompressors: [OpaquePointer] = []
        }

        /// A context that a large blob has made larger than this is not kept.
        private static let keptBytes = 8 << 20

        private let idle = Mutex(Idle())

        func withCompressor<Value>(_ body: (OpaquePointer) -> Value?) -> Value? {
            guard let context = idle.withLock({ $0.compressors.popLast() }) ?? ZSTD_createCCtx() else { return nil }
            defer {
                if ZSTD_sizeof_CCtx(context) <= Self.keptBytes {
                    idle.withLock { $0.compressors.append(context) }
                } else {
                    ZSTD_freeCCtx(context)
                }
            }
            return body(context)
        }

        func withDecompressor<Value>(_ body: (OpaquePointer) -> Value?) -> Value? {
            guard let context = idle.withLock({ $0.decompressors.popLast() }) ?? ZSTD_createDCtx() else { return nil }
            defer { idle.withLock { $0.decompressors.append(context) } }
            return body(context)
        }
    }
}
