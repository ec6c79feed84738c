import CZstd

/// A frame of an export: compressed by itself, with its length and zstd's checksum of its content, so that a frame is
/// used whole or not at all.
///
/// http://facebook.github.io/zstd/zstd_manual.html
enum ZstandardFrame {
    /// zstd's own default: higher levels cost several times as much for a few percent.
    private static let level: Int32 = 3
    /// The whole frame: the versions of a channel, which are long and much alike, find each other.
    private static let window: Int32 = 22

    /// Nil when memory runs out.
    static func compress(_ content: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let context = ZSTD_createCCtx() else { return nil }
        defer { ZSTD_freeCCtx(context) }
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window)
        ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1)
        var isDone = false
        let frame = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(content.count)) { output, count in
            let result = ZSTD_compress2(context, output.baseAddress, output.count, content.baseAddress, content.count)
            isDone = ZSTD_isError(result) == 0
            count = isDone ? result : 0
        }
        return isDone ? frame : nil
    }
}

/// The frames of an export, one after the other.
struct FrameReader: ~Copyable {
    typealias Input = (_ count: Int) throws(TransferError) -> [UInt8]

    /// Content of a frame at most: a damaged one must not make us allocate more.
    private static let contentLimit = 2 << 30
    private static let chunkBytes = 128 << 10

    private let context: OpaquePointer
    private let input: Input
    private var chunk: [UInt8] = []
    private var position = 0
    /// Bytes of input before the end of the last frame.
    private(set) var offset = 0

    /// `input` gives up to as many bytes as it is asked for, and none at the end.
    init(_ input: @escaping Input) {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for decompression") }
        self.context = context
        self.input = input
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    enum Next {
        /// The content of a frame, whose checksum was right.
        case frame([UInt8])
        case end
        /// The input ends in the middle of one.
        case cutOff
        case damaged(String)
    }

    mutating func next() throws(TransferError) -> Next {
        guard try fill() else { return .end }
        ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        var content: [UInt8] = []
        var read = 0
        repeat {
            guard try fill() else { return .cutOff }
            let (result, consumed) = decompress(into: &content)
            if ZSTD_isError(result) != 0 { return .damaged(String(cString: ZSTD_getErrorName(result))) }
            position += consumed
            read += consumed
            if result == 0 {
                offset += read
                return .frame(content)
            }
        } while content.count <= Self.contentLimit
        return .damaged("a frame is longer than any that is written")
    }

    /// What zstd answers, 0 at the end of a frame, and how much of the chunk it took.
    private mutating func decompress(into content: inout [UInt8]) -> (result: Int, consumed: Int) {
        if content.capacity - content.count < Self.chunkBytes {
            content.reserveCapacity(content.count * 2 + Self.chunkBytes)
        }
        var (result, consumed) = (0, 0)
        let context = context
        chunk[position...].withUnsafeBytes { bytes in
            content.append(addingCapacity: Self.chunkBytes) { span in
                span.withUnsafeMutableBufferPointer { buffer, initialized in
                    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
                    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
                    result = ZSTD_decompressStream(context, &output, &input)
                    initialized = output.pos
                    consumed = input.pos
                }
            }
        }
        return (result, consumed)
    }

    /// Whether there is input left.
    private mutating func fill() throws(TransferError) -> Bool {
        guard position == chunk.count else { return true }
        chunk = try input(Self.chunkBytes)
        position = 0
        return !chunk.isEmpty
    }
}
