import JSON

/// How much of one value is decoded, so that a hostile one costs no more than an honest one of its size.
package struct DecodingLimits: Sendable {
    /// Containers and objects within one another.
    package var depth: Int
    /// Values of any kind, all levels together.
    package var values: Int

    package init(depth: Int = 200, values: Int = 1_000_000) {
        self.depth = depth
        self.values = values
    }

    /// The limits of one of several values that are decoded together: its share by bytes, at least a thousand values.
    package func share(of bytes: Int, in total: Int) -> DecodingLimits {
        guard total > bytes else { return self }
        let share = Int(Double(values) * Double(bytes) / Double(total))
        return DecodingLimits(depth: depth, values: max(1_000, share))
    }
}

extension DecodedValue {
    /// Decodes what LangGraph's serde made: a type and bytes.
    ///
    /// Never fails and never traps: what cannot be read is shown as `opaque`, what goes beyond the limits as `cut`.
    package init(type: String?, bytes: [UInt8]?, limits: DecodingLimits = DecodingLimits()) {
        guard let bytes, let type else {
            self = .opaque(OpaqueValue(bytes == nil ? .empty : .unknownType("null"), bytes ?? []))
            return
        }
        switch type {
        case "null": self = bytes.isEmpty ? .null : .opaque(OpaqueValue(.damaged("a null of several bytes"), bytes))
        case "bytes": self = .bytes(bytes)
        case "bytearray": self = .object(type: "builtins.bytearray", .value(.bytes(bytes)))
        case "msgpack": self.init(messagePack: bytes, limits: limits)
        case "json": self.init(json: bytes, limits: limits)
        case "pickle": self = .opaque(OpaqueValue(.pickle, bytes))
        case "empty": self = .opaque(OpaqueValue(.empty, bytes))
        default:
            // The serde splits at the first plus sign.
            let parts = type.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
            let isEncrypted = parts.count == 2
            self = .opaque(
                OpaqueValue(
                    isEncrypted ? .encrypted(with: String(parts[1]), type: String(parts[0])) : .unknownType(type),
                    bytes
                )
            )
        }
    }

    /// Decodes one msgpack document.
    package init(messagePack bytes: [UInt8], limits: DecodingLimits = DecodingLimits()) {
        var decoding = MessagePackDecoding(bytes, limits: limits)
        do {
            self = try decoding.document()
        } catch {
            self = .opaque(OpaqueValue(.damaged("msgpack that cannot be read: \(error.detail)"), bytes))
        }
    }

    private init(json bytes: [UInt8], limits: DecodingLimits) {
        do {
            self.init(try JSONValue(parsing: bytes), limits: limits)
        } catch {
            self = .opaque(OpaqueValue(.damaged("JSON that cannot be read: \(error)"), bytes))
        }
    }
}
