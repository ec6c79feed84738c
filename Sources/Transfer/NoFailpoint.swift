#if !FAILPOINTS
/// Nothing, in a release build: what it is in others, `Failpoint` in Checkpoints says.
enum Failpoint {
    static func pass(_ name: @autoclosure () -> String) {}
}
#endif
