import CZstd

/// What is sealed of a value: the bytes themselves, or a frame of zstd where that is shorter.
///
/// Compressed before it is sealed, because what is sealed looks like noise and no store can make it shorter. The size of what
/// is sealed tells how well a value compresses, as it tells its length.
package enum Compression {
    /// The first byte of what is sealed.
    private enum Form: UInt8 {
        case plain = 0
        case zstd = 1
    }

    /// Longest value that a frame may hold: a frame cannot make us allocate more.
    package static let longest = 512 << 20
    /// Shorter ones have too little to save.
    private static let shortest = 64
    /// zstd's own default.
    private static let level: Int32 = 3

    package static func packed(_ bytes: [UInt8]) -> [UInt8] {
        if (shortest...longest).contains(bytes.count), let frame = frame(of: bytes) { return frame }
        return [Form.plain.rawValue] + bytes
    }

    /// Nil for what `packed` did not make.
    package static func unpacked(_ packed: some RandomAccessCollection<UInt8>) -> [UInt8]? {
        switch packed.first.flatMap(Form.init) {
        case .plain: [UInt8](packed.dropFirst())
        case .zstd: content([UInt8](packed.dropFirst()))
        case nil: nil
        }
    }

    private static func frame(of bytes: [UInt8]) -> [UInt8]? {
        let bound = ZSTD_compressBound(bytes.count)
        let frame = [UInt8](unsafeUninitializedCapacity: bound + 1) { buffer, count in
            buffer[0] = Form.zstd.rawValue
            let frame = UnsafeMutableBufferPointer(rebasing: buffer[1...])
            let length = ZSTD_compress(frame.baseAddress, bound, bytes, bytes.count, level)
            count = ZSTD_isError(length) == 0 ? length + 1 : 0
        }
        return !frame.isEmpty && frame.count <= bytes.count ? frame : nil
    }

    private static func content(_ frame: [UInt8]) -> [UInt8]? {
        let declared = ZSTD_getFrameContentSize(frame, frame.count)
        // What zstd cannot tell, and an error, are greater than any size.
        guard declared <= UInt64(longest) else { return nil }
        var isWhole = false
        let bytes = [UInt8](unsafeUninitializedCapacity: max(Int(declared), 1)) { buffer, count in
            let length = ZSTD_decompress(buffer.baseAddress, Int(declared), frame, frame.count)
            isWhole = ZSTD_isError(length) == 0 && length == Int(declared)
            count = isWhole ? length : 0
        }
        return isWhole ? bytes : nil
    }
}
