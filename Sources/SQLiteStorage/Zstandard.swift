import CDictionary
import CZstd
import Checkpoints
import Synchronization

/// Compression with zstd, against bytes that the reader of a frame has too.
///
/// A frame carries its length and no checksum: `StoredBytes` has a digest of the whole value.
/// http://facebook.github.io/zstd/zstd_manual.html
enum Zstandard {
    /// What a frame may refer to, and what must be given again to read it.
    enum Reference {
        /// Texts that LangGraph stores, with statistics of them: built in, the same for ever.
        case dictionary
        /// Other bytes, such as a part of an earlier version.
        case prefix(UnsafeRawBufferPointer)
    }

    /// The four bytes that every frame begins with, as a number of the file's byte order.
    ///
    /// https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1
    static let magic = UInt32(0xFD2F_B528).littleEndian

    /// zstd's own default: higher levels cost several times as much for a few percent.
    private static let level: Int32 = 3
    /// Longest content of a frame: a damaged one must not make us allocate more.
    private static let contentLimit = 1 << 30
    /// The window of a frame is at most this power of two, which every reader takes without being told.
    private static let largestWindow: Int32 = 27
    /// What two long values share is long: from this size of a prefix on, that is looked for first, not the nearest few
    /// equal bytes.
    private static let longDistance = 128 << 10

    /// Appends a frame of `source` to `output`.
    ///
    /// False when `source` is too long or memory runs out; `output` is as it was then.
    static func compress(
        _ source: UnsafeRawBufferPointer,
        against reference: Reference,
        to output: inout [UInt8]
    ) -> Bool {
        guard source.count <= contentLimit else { return false }
        return contexts.withCompressor { context in
            ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
            ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
            ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0)
            switch reference {
            case .dictionary:
                // Without it zstd would make a frame that cannot be read with it.
                guard let dictionary = Dictionary.compressor(for: source.count).pointer else { return false }
                ZSTD_CCtx_refCDict(context, dictionary)
            case .prefix(let prefix):
                // The window has to reach from the last byte back to the first of the prefix.
                let reach = UInt64(prefix.count + source.count)
                let window = Int32(UInt64.bitWidth - reach.leadingZeroBitCount)
                ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, min(max(window, 10), largestWindow))
                if prefix.count >= longDistance {
                    ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1)
                }
                ZSTD_CCtx_refPrefix(context, prefix.baseAddress, prefix.count)
            }
            return output.append(upTo: ZSTD_compressBound(source.count)) { target in
                ZSTD_compress2(context, target.baseAddress, target.count, source.baseAddress, source.count)
            }
        } ?? false
    }

    /// The content of a frame; nil when it is damaged or was made against something else.
    ///
    /// Damage that zstd does not notice gives other bytes, which their digest tells.
    static func decompress(_ frame: UnsafeRawBufferPointer, against reference: Reference) -> [UInt8]? {
        guard let length = contentCount(of: frame) else { return nil }
        return contexts.withDecompressor { context in
            ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters)
            switch reference {
            case .dictionary:
                guard let dictionary = Dictionary.decompressor.pointer else { return nil }
                ZSTD_DCtx_refDDict(context, dictionary)
            case .prefix(let prefix): ZSTD_DCtx_refPrefix(context, prefix.baseAddress, prefix.count)
            }
            var bytes: [UInt8] = []
            let isDone = bytes.append(upTo: length) { target in
                ZSTD_decompressDCtx(context, target.baseAddress, target.count, frame.baseAddress, frame.count)
            }
            return isDone && bytes.count == length ? bytes : nil
        }
    }

    /// How long the content of a frame is that begins with these bytes; nil when they do not say.
    ///
    /// https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1
    static func contentCount(of start: UnsafeRawBufferPointer) -> Int? {
        let length = ZSTD_getFrameContentSize(start.baseAddress, start.count)
        return length <= UInt64(contentLimit) ? Int(length) : nil
    }

    /// The dictionary, digested once for each direction.
    ///
    /// `@unchecked`: zstd only reads a digested dictionary.
    private struct Dictionary: @unchecked Sendable {
        /// Nil when memory ran out while it was made.
        let pointer: OpaquePointer?

        /// Long values are compressed at the fastest level: the others cost several times as much, and those that grow
        /// are kept as splices anyway.
        static func compressor(for count: Int) -> Dictionary {
            count < longValue ? forShort : forLong
        }

        private static let longValue = 16 << 10
        private static let forShort = compressor(level: level)
        private static let forLong = compressor(level: 1)

        private static func compressor(level: Int32) -> Dictionary {
            Dictionary(pointer: ZSTD_createCDict(milepost_dictionary_1().start, milepost_dictionary_1().count, level))
        }

        static let decompressor = Dictionary(
            pointer: ZSTD_createDDict(milepost_dictionary_1().start, milepost_dictionary_1().count)
        )
    }

    private static let contexts = Contexts()

    /// zstd's working memory, kept for the next call: making it anew costs more than compressing a small value.
    private final class Contexts: Sendable {
        /// `@unchecked`: a context is used by whoever took it out of the list, and by nobody else.
        private struct Idle: @unchecked Sendable {
            var compressors: [OpaquePointer] = []
            var decompressors: [OpaquePointer] = []
        }

        /// A context that a large value has made larger than this is not kept.
        private static let keptBytes = 2 << 20

        private let idle = Mutex(Idle())

        func withCompressor<Value>(_ body: (OpaquePointer) -> Value) -> Value? {
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

extension [UInt8] {
    /// Appends what `body` writes, as many bytes as it returns; nothing, and false, when that is one of zstd's errors.
    fileprivate mutating func append(upTo capacity: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        var isDone = false
        append(addingCapacity: capacity) { span in
            span.withUnsafeMutableBufferPointer { buffer, initialized in
                let result = body(UnsafeMutableRawBufferPointer(buffer))
                isDone = ZSTD_isError(result) == 0
                initialized = isDone ? result : 0
            }
        }
        return isDone
    }
}
