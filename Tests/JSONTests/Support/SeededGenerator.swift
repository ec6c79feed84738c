import Foundation

/// Random numbers that can be had again: the seed is printed, and `MILEPOST_SEED` in the environment sets it.
struct SeededGenerator: RandomNumberGenerator {
    static let seed: UInt64 = {
        let given = ProcessInfo.processInfo.environment["MILEPOST_SEED"].flatMap(UInt64.init)
        let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
        print("MILEPOST_SEED=\(seed)")
        return seed
    }()

    private var state: UInt64

    /// A sequence of its own for each test, so that the order in which tests run does not matter.
    init(stream: UInt64) {
        state = Self.seed &* 1_000 &+ stream
    }

    /// The next number of SplitMix64 (https://prng.di.unimi.it/splitmix64.c).
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
