import Foundation

/// What is held against every input, by name.
///
/// A property returns when it holds, and ends the process when it does not.
let fuzzedProperties: [String: @Sendable ([UInt8]) -> Void] = [
    "base64": Base64Property.check,
    "chains": ChainProperty.check,
    "containment": ContainmentProperty.check,
    "cursors": CursorProperty.check,
    "import": ImportProperty.check,
    "json": JSONProperty.check,
    "msgpack": MessagePackProperty.check,
    "requests": RequestProperty.check,
    "tokens": TokenProperty.check,
]

// MARK: - What properties are written with

/// Ends the process unless it is true; libFuzzer then keeps the input.
func require(_ isTrue: Bool, _ words: @autoclosure () -> String) {
    guard isTrue else { fatalError("the property does not hold: \(words())") }
}

/// The value; a wrong one in the self-test, which shows that somebody would notice.
func subject<Value>(_ value: Value, orWrong wrong: (Value) -> Value) -> Value {
    isSelfTest ? wrong(value) : value
}

private let isSelfTest = ProcessInfo.processInfo.environment["MILEPOST_FUZZ_SELF_TEST"] != nil

/// The input as a supply of choices, of which there are always more: zeros, at its end.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) {
        rest = input[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 {
        rest.popFirst() ?? 0
    }

    /// One of two bytes, below the limit.
    mutating func number(below limit: Int) -> Int {
        let high = Int(byte())
        return limit > 0 ? (high << 8 | Int(byte())) % limit : 0
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

/// Waits for what is done by tasks.
func wait<Value: Sendable>(for body: @escaping @Sendable () async -> Value) -> Value {
    let result = TaskResult<Value>()
    let isDone = DispatchSemaphore(value: 0)
    Task {
        result.value = await body()
        isDone.signal()
    }
    isDone.wait()
    guard let value = result.value else { fatalError("a task ended without a result") }
    return value
}

/// Written before a semaphore is signalled, read after it.
private final class TaskResult<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}
