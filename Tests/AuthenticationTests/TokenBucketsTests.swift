import Authentication
import Testing

@Suite
struct TokenBucketsTests {
    @Test("A full bucket gives its burst, and then a token at each interval")
    func burst() {
        let buckets = TokenBuckets<String>(perSecond: 2, burst: 3)
        let start = ContinuousClock.now
        for _ in 0..<3 { #expect(buckets.take(for: "a", at: start) == nil) }
        #expect(buckets.take(for: "a", at: start) == .milliseconds(500))
        #expect(buckets.wait(for: "a", at: start) == .milliseconds(500))
        #expect(buckets.take(for: "a", at: start + .milliseconds(499)) == .milliseconds(1))
        #expect(buckets.take(for: "a", at: start + .milliseconds(500)) == nil)
        #expect(buckets.take(for: "a", at: start + .milliseconds(500)) == .milliseconds(500))
        // After a pause it is full, and never more than that.
        let later = start + .seconds(60)
        for _ in 0..<3 { #expect(buckets.take(for: "a", at: later) == nil) }
        #expect(buckets.take(for: "a", at: later) != nil)
    }

    @Test("One name's bucket is not another's")
    func names() {
        let buckets = TokenBuckets<String>(perSecond: 1, burst: 1)
        let now = ContinuousClock.now
        #expect(buckets.take(for: "a", at: now) == nil)
        #expect(buckets.take(for: "a", at: now) != nil)
        #expect(buckets.wait(for: "b", at: now) == nil)
        #expect(buckets.take(for: "b", at: now) == nil)
    }

    @Test(
        "However many names come, the ones that are remembered are bounded, and empty buckets are kept before full ones"
    )
    func bounded() {
        let buckets = TokenBuckets<Int>(perSecond: 1, burst: 1)
        let start = ContinuousClock.now
        for name in 1..<TokenBuckets<Int>.capacity { #expect(buckets.take(for: name, at: start) == nil) }
        let later = start + .seconds(2)
        #expect(buckets.take(for: 0, at: later) == nil)
        #expect(buckets.take(for: -1, at: later) == nil)  // the full ones are forgotten for it
        #expect(buckets.take(for: 0, at: later) != nil)
    }

    @Test("A wait is said in whole seconds, one at least", arguments: [(1, 1), (1_000, 1), (1_001, 2), (2_500, 3)])
    func retryAfter(_ milliseconds: Int, _ seconds: Int) {
        #expect(Duration.milliseconds(milliseconds).retryAfterSeconds == seconds)
    }
}
