import Foundation
import JSON
import Serde
import Testing

/// Values that LangGraph's own serde made, each with the tree that its bytes say.
///
/// The file's trees are mapped to ours by `ours(_:)`: an independent reading of docs/inspect.md. Every sample is looked
/// at: those that have no tree are of a type whose bytes are not a tree, or are no bytes at all.
@Suite("Samples of LangGraph's serde")
struct GoldenTests {
    private static let samples: [JSONValue] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "golden/msgpack-samples.json"
        )
        guard let bytes = try? Data(contentsOf: file),
            case .array(let samples)? = try? JSONValue(parsing: [UInt8](bytes))
        else { return [] }
        return samples
    }()

    @Test("every sample is decoded to the tree it came with")
    func samples() throws {
        var seen: [String: Int] = [:]
        for sample in Self.samples {
            let name = try #require(sample["name"]?.string)
            guard let type = sample["type"]?.string else {
                // What the serde refuses to write; there is nothing to read.
                #expect(sample["error"]?.string?.hasPrefix("TypeError") == true, "\(name)")
                seen["error", default: 0] += 1
                continue
            }
            seen[type, default: 0] += 1
            let base64 = try #require(sample["b64"]?.string)
            let bytes = [UInt8](try #require(Data(base64Encoded: base64)))
            let decoded = DecodedValue(type: type, bytes: bytes)
            switch type {
            case "null": #expect(decoded == .null && bytes.isEmpty, "\(name)")
            case "bytes": #expect(decoded == .bytes(bytes), "\(name)")
            case "bytearray":
                #expect(decoded == .object(type: "builtins.bytearray", .value(.bytes(bytes))), "\(name)")
            case "pickle": #expect(decoded == .opaque(OpaqueValue(.pickle, bytes)), "\(name)")
            default:
                let tree = try #require(sample["tree"], "\(name)")
                #expect(Self.text(decoded.json) == Self.text(try ours(tree)), "\(name)")
            }
        }
        #expect(seen == ["null": 1, "bytes": 2, "bytearray": 1, "msgpack": 75, "pickle": 3, "error": 2])
    }

    private static func text(_ value: JSONValue) -> String {
        String(decoding: value.text.bytes, as: UTF8.self)
    }

    /// Their tree in the form of `--json`.
    private func ours(_ tree: JSONValue) throws -> JSONValue {
        if let name = tree["__float__"]?.string {
            return ["$float": .string(JSONString(try #require(["nan": "NaN", "inf": "Infinity"][name])))]
        }
        if let base64 = tree["__bin__"] { return ["$bytes": base64] }
        if case .array(let pairs)? = tree["__map__"] {
            return [
                "$map": .array(
                    try pairs.map { pair in
                        guard case .array(let both) = pair else { return pair }
                        return .array(try both.map(ours))
                    }
                )
            ]
        }
        if let code = tree["__ext__"]?.int { return try ours(code, try #require(tree["payload"])) }
        switch tree {
        case .array(let elements): return .array(try elements.map(ours))
        case .object(let members):
            return .object(try members.map { JSONMember(name: $0.name, value: try ours($0.value)) })
        default: return tree
        }
    }

    private func ours(_ code: Int, _ payload: JSONValue) throws -> JSONValue {
        if code == 7 { return ["$snapshot": try ours(payload)] }
        guard case .array(let parts) = payload else { throw Mismatch() }
        if code == 6 {
            let first: [JSONValue] =
                parts[0].string == "<i4"
                ? [0, 1, 2, 3, 4, 5] : ["0.0", "2.0", "1.0", "3.0"].map { .number(.init(trusted: $0)) }
            return [
                "$type": "numpy.ndarray", "dtype": parts[0], "shape": parts[1], "order": parts[2],
                "first": .array(first), "data": try ours(parts[3]),
            ]
        }
        let type = try #require(parts[0].string) + "." + #require(parts[1].string)
        let head = JSONMember(name: "$type", value: .string(JSONString(type)))
        let value = try ours(parts[2])
        switch code {
        case 1: return .object([head, JSONMember(name: "$args", value: value)])
        case 2, 4, 5:
            guard case .object(let fields) = value else { throw Mismatch() }
            return .object([head] + fields)
        default:
            let shown: JSONValue =
                switch type {
                case "uuid.UUID": "00000000-0000-0000-0000-000000000005"
                case "pydantic.types.SecretStr": "**********"
                default: value
                }
            return .object([head, JSONMember(name: "$value", value: shown)])
        }
    }

    private struct Mismatch: Error {}
}

extension JSONValue {
    fileprivate var string: String? {
        if case .string(let string) = self { string.string } else { nil }
    }

    fileprivate var int: Int? {
        if case .number(let number) = self { number.int } else { nil }
    }
}
