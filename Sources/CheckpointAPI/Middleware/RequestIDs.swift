import Synchronization

/// Makes ids for requests: 16 hexadecimal digits, no two alike within a process, and hardly two among processes.
final class RequestIDs: Sendable {
    private let state = Atomic(UInt64.random(in: .min ... .max))

    func next() -> String {
        // SplitMix64: a counter whose steps are mixed, so that ids that follow each other do not look alike.
        var mixed = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return String(unsafeUninitializedCapacity: 16) { digits in
            for place in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: mixed >> (60 - 4 * UInt64(place))) & 0xF
                digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            }
            return 16
        }
    }
}
