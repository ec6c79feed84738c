import Authentication
import Testing

@Suite("Times in a key file")
struct APIKeyTimeTests {
    @Test(
        "A date, or a date and time of RFC 3339, is read",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-26T18:42:18Z", 1_795_718_538), ("2026-11-26", 1_795_651_200),
            ("2026-11-26T18:42:18.999999Z", 1_795_718_538), ("2026-11-26T19:42:18+01:00", 1_795_718_538),
            ("2026-11-26T13:12:18-05:30", 1_795_718_538), ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ]
    )
    func reading(_ text: String, _ seconds: Int) {
        #expect(APIKeyTime(text)?.seconds == seconds)
    }

    @Test(
        "What is no time is not read",
        arguments: [
            "", "now", "90d", "2026", "2026-11", "2026-13-01", "2026-00-01", "2026-02-29", "2026-04-31", "2026-1-1",
            "2026-11-26T", "2026-11-26T18:42Z", "2026-11-26T24:00:00Z", "2026-11-26T18:60:00Z", "2026-11-26T18:42:60Z",
            "2026-11-26T18:42:18", "2026-11-26 18:42:18Z", "2026-11-26T18:42:18.Z", "2026-11-26T18:42:18+0100",
            "2026-11-26T18:42:18+24:00", "2026-11-26T18:42:18Zx", "2026-11-26x", "1969-12-31", "+026-11-26",
            "２０２６-11-26",
        ]
    )
    func refusing(_ text: String) {
        #expect(APIKeyTime(text) == nil)
    }

    @Test("A time is written so that it is read back as itself")
    func writing() {
        #expect(APIKeyTime(seconds: 1_795_718_538).description == "2026-11-26T18:42:18Z")
        #expect(APIKeyTime.last.description == "9999-12-31T23:59:59Z")
        for seconds in stride(from: 0, to: 4_000_000_000, by: 9_999_991) {
            #expect(APIKeyTime(APIKeyTime(seconds: seconds).description)?.seconds == seconds)
        }
    }

    @Test("Now is after this was written, and does not go back")
    func now() {
        let before = APIKeyTime.now
        #expect(before.seconds > 1_790_000_000)
        #expect(APIKeyTime.now >= before)
    }
}
