import Foundation

/// A generator that starts from a seed, so that a failing run can be run again: SplitMix64.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The seed of this run: `MILEPOST_SEED`, or one that is printed so that the run can be repeated.
package func testSeed(_ name: String) -> UInt64 {
    if let given = ProcessInfo.processInfo.environment["MILEPOST_SEED"], let seed = UInt64(given) {
        return seed
    }
    let seed = UInt64.random(in: 0...UInt64(Int64.max))
    print("\(name): MILEPOST_SEED=\(seed)")
    return seed
}
