package import JSON

/// A channel's value as a person may read it: what LangGraph's serde wrote, with nothing constructed from it.
///
/// Two are equal when they say the same in the same order. Keys of maps need not be texts, numbers keep their text, and
/// an object of Python is its type's name with what it would have been made from.
package indirect enum DecodedValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    /// `NaN`, `Infinity` or `-Infinity`, which JSON has no number for.
    case notFinite(String)
    case text(JSONString)
    case bytes([UInt8])
    case array([DecodedValue])
    case map([DecodedEntry])
    /// An object of that Python type: `module.name`.
    case object(type: String, DecodedContent)
    /// What nobody shall read; the fingerprint tells two of them apart within this process.
    case secret(type: String, fingerprint: Int)
    case numbers(NumberArray)
    /// The whole value of a delta channel, which the writes after it change.
    case snapshot(DecodedValue)
    /// An extension that LangGraph does not have.
    case unknown(code: Int8, [UInt8])
    case opaque(OpaqueValue)
    /// What is left out here, in words.
    case cut(String)
}

/// A key of a map, or the name of a field, with its value.
package struct DecodedEntry: Sendable, Hashable {
    package let key: DecodedValue
    package let value: DecodedValue

    package init(_ key: DecodedValue, _ value: DecodedValue) {
        self.key = key
        self.value = value
    }
}

/// What an object would be made from.
package enum DecodedContent: Sendable, Hashable {
    case value(DecodedValue)
    case arguments([DecodedValue])
    case fields([DecodedEntry])
}

/// Bytes that are not decoded, and why.
package struct OpaqueValue: Sendable, Hashable {
    package enum Reason: Sendable, Hashable {
        /// A channel without a value at this version.
        case empty
        case pickle
        case encrypted(with: String, type: String)
        /// A serde of the application's own.
        case unknownType(String)
        case damaged(String)
    }

    package let reason: Reason
    package let bytes: [UInt8]

    package init(_ reason: Reason, _ bytes: [UInt8] = []) {
        self.reason = reason
        self.bytes = bytes
    }

    /// One word or two for what it is.
    package var name: String {
        switch reason {
        case .empty: "empty"
        case .pickle: "pickle"
        case .encrypted: "encrypted"
        case .unknownType: "unknown type"
        case .damaged: "damaged"
        }
    }

    /// Why it is not decoded, in words.
    package var note: String {
        switch reason {
        case .empty: "the channel has no value at this version"
        case .pickle: "not decoded: loading a pickle can run any code"
        case .encrypted(let cipher, let type): "encrypted with \(cipher), \(type) inside"
        case .unknownType(let type): "type '\(type)' is not one of LangGraph's"
        case .damaged(let detail): detail
        }
    }
}

extension DecodedValue {
    package init(_ text: String) {
        self = .text(JSONString(text))
    }

    /// The text, when it is one; a lone surrogate becomes U+FFFD.
    package var string: String? {
        guard case .text(let text) = self else { return nil }
        return text.string ?? String(decoding: text.wtf8, as: UTF8.self)
    }

    /// The value of a map's key, or of an object's field; the last when there are several.
    package subscript(name: String) -> DecodedValue? {
        switch self {
        case .map(let entries), .object(_, .fields(let entries)):
            entries.last { $0.key == DecodedValue(name) }?.value
        default: nil
        }
    }
}
