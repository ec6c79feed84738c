package import JSON

/// What is different between two values, place by place.
package struct ValueDifference: Sendable, Hashable {
    package enum Change: Sendable, Hashable {
        case added(DecodedValue)
        case removed(DecodedValue)
        case changed(DecodedValue, DecodedValue)
    }

    /// Where, as in `messages[2].content`; an index is that of the second value, unless the element was removed.
    package let path: String
    package let change: Change

    package init(_ path: String, _ change: Change) {
        self.path = path
        self.change = change
    }

    /// The differences of two maps, in the order of the keys of the second, what only the first has at the end.
    package static func between(_ before: [DecodedEntry], _ after: [DecodedEntry]) -> [ValueDifference] {
        var found: [ValueDifference] = []
        compare(before, after, at: "", &found)
        return found
    }

    private static func compare(
        _ before: DecodedValue,
        _ after: DecodedValue,
        at path: String,
        _ found: inout [ValueDifference]
    ) {
        guard before != after else { return }
        switch (before, after) {
        case (.map(let old), .map(let new)) where !old.isEmpty && !new.isEmpty: compare(old, new, at: path, &found)
        case (.array(let old), .array(let new)): compare(old, new, at: path, &found)
        case (.snapshot(let old), .snapshot(let new)): compare(old, new, at: path, &found)
        case (.object(let oldType, let old), .object(let newType, let new)) where oldType == newType:
            switch (old, new) {
            case (.fields(let old), .fields(let new)): compare(old, new, at: path, &found)
            case (.arguments(let old), .arguments(let new)): compare(old, new, at: path, &found)
            case (.value(.array(let old)), .value(.array(let new))) where unordered.contains(oldType):
                compareSets(old, new, at: path, &found)
            case (.value(.array(let old)), .value(.array(let new))): compare(old, new, at: path, &found)
            default: found.append(ValueDifference(path, .changed(before, after)))
            }
        default: found.append(ValueDifference(path, .changed(before, after)))
        }
    }

    private static let unordered: Set<String> = ["builtins.set", "builtins.frozenset"]

    private static func compare(
        _ before: [DecodedEntry],
        _ after: [DecodedEntry],
        at path: String,
        _ found: inout [ValueDifference]
    ) {
        let old = Dictionary(before.map { ($0.key, $0.value) }) { $1 }
        let new = Dictionary(after.map { ($0.key, $0.value) }) { $1 }
        for entry in after where new[entry.key] == entry.value {
            let inner = path + step(to: entry.key, isFirst: path.isEmpty)
            if let value = old[entry.key] {
                compare(value, entry.value, at: inner, &found)
            } else {
                found.append(ValueDifference(inner, .added(entry.value)))
            }
        }
        for entry in before where new[entry.key] == nil {
            found.append(ValueDifference(path + step(to: entry.key, isFirst: path.isEmpty), .removed(entry.value)))
        }
    }

    /// Elements that both begin or end with are the same ones; the rest is compared one by one.
    private static func compare(
        _ before: [DecodedValue],
        _ after: [DecodedValue],
        at path: String,
        _ found: inout [ValueDifference]
    ) {
        let shorter = min(before.count, after.count)
        var start = 0
        while start < shorter, before[start] == after[start] { start += 1 }
        var end = 0
        while end < shorter - start, before[before.count - 1 - end] == after[after.count - 1 - end] { end += 1 }
        let (old, new) = (start..<before.count - end, start..<after.count - end)
        let pairs = min(old.count, new.count)
        for place in start..<start + pairs { compare(before[place], after[place], at: "\(path)[\(place)]", &found) }
        for place in old.dropFirst(pairs) {
            found.append(ValueDifference("\(path)[\(place)]", .removed(before[place])))
        }
        for place in new.dropFirst(pairs) { found.append(ValueDifference("\(path)[\(place)]", .added(after[place]))) }
    }

    /// The order of a set is nobody's.
    private static func compareSets(
        _ before: [DecodedValue],
        _ after: [DecodedValue],
        at path: String,
        _ found: inout [ValueDifference]
    ) {
        let (old, new) = (Set(before), Set(after))
        for element in after where !old.contains(element) {
            found.append(ValueDifference("\(path){}", .added(element)))
        }
        for element in before where !new.contains(element) {
            found.append(ValueDifference("\(path){}", .removed(element)))
        }
    }

    private static func step(to key: DecodedValue, isFirst: Bool) -> String {
        guard case .text(let name) = key, let text = name.string, isPlain(text) else {
            return "[\(String(decoding: key.json.text.bytes, as: UTF8.self))]"
        }
        return isFirst ? text : ".\(text)"
    }

    /// Whether a name needs no quotes in a path.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"[]{}.\"\\".utf8.contains($0) }
    }
}

extension ValueDifference {
    package var json: JSONValue {
        let path = JSONMember(name: "path", value: .string(JSONString(path)))
        func object(_ change: JSONString, _ values: (JSONString, DecodedValue)...) -> JSONValue {
            .object(
                [path, JSONMember(name: "change", value: .string(change))]
                    + values.map { JSONMember(name: $0.0, value: $0.1.json) }
            )
        }
        return switch change {
        case .added(let value): object("added", ("after", value))
        case .removed(let value): object("removed", ("before", value))
        case .changed(let old, let new): object("changed", ("before", old), ("after", new))
        }
    }
}
