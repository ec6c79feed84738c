import Synchronization

/// Numbers of 64 bits, no two alike within a process, and hardly two among processes.
package final class UniqueNumbers: Sendable {
    private let state: Atomic<UInt64>

    /// `seed` is for tests, which want to know what comes.
    package init(seed: UInt64 = .random(in: .min ... .max)) {
        state = Atomic(seed)
    }

    /// SplitMix64: a counter whose steps are mixed, so that numbers that follow each other do not look alike.
    package func next() -> UInt64 {
        var mixed = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension UInt64 {
    /// 16 lower-case hexadecimal digits.
    package var hexadecimal: String {
        String(unsafeUninitializedCapacity: 16) { digits in
            for place in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: self >> (60 - 4 * UInt64(place))) & 0xF
                digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            }
            return 16
        }
    }
}
