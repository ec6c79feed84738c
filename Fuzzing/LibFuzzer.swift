import Foundation

/// Gives libFuzzer's inputs to one property: `scripts/fuzz` runs it.
///
/// Which one is in the environment, because libFuzzer takes the arguments, and starts the program again with them.
@main
enum Fuzzing {
    private static let name = ProcessInfo.processInfo.environment["MILEPOST_FUZZ_PROPERTY"] ?? ""

    private static let property: @Sendable ([UInt8]) -> Void = {
        if name == "overflow" { return overflow }
        guard let property = fuzzedProperties[name] else {
            fatalError("MILEPOST_FUZZ_PROPERTY is '\(name)', not one of \(fuzzedProperties.keys.sorted())")
        }
        return property
    }()

    static func main() {
        _ = property
        exit(runLibFuzzer(take))
    }

    /// One input, as libFuzzer gives it.
    private static let take: LibFuzzerBody = { bytes, count in
        property(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
    }

    /// What AddressSanitizer must see: `scripts/fuzz --self-test`.
    private static func overflow(_ input: [UInt8]) {
        guard input.starts(with: "over".utf8) else { return }
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: input.count)
        bytes.initialize(repeating: 0, count: input.count + 1)
        bytes.deallocate()
    }
}

private typealias LibFuzzerBody = @convention(c) @Sendable (UnsafePointer<UInt8>?, Int) -> Int32

/// LibFuzzer as a library: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library.
@_silgen_name("LLVMFuzzerRunDriver")
private func runLibFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: LibFuzzerBody
) -> Int32

private func runLibFuzzer(_ body: LibFuzzerBody) -> Int32 {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    return runLibFuzzer(&count, &arguments, body)
}
