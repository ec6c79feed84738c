import Observability
import Testing

@Suite("W3C trace context")
struct TraceContextTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let span = "00f067aa0ba902b7"
    private static let plain = "00-\(trace)-\(span)-01"

    @Test("a header is read and written as it was")
    func roundTrip() throws {
        for (flags, isSampled) in [("01", true), ("00", false)] {
            let header = "00-\(Self.trace)-\(Self.span)-\(flags)"
            let context = try #require(TraceContext(parent: header))
            #expect(context.traceID.hexadecimal == Self.trace)
            #expect(context.spanID.hexadecimal == Self.span)
            #expect(context.isSampled == isSampled)
            #expect(context.state == nil)
            #expect(context.parent == header)
        }
    }

    @Test("of the flags only the first is known, and no other is passed on")
    func flags() throws {
        for (flags, expected) in [("03", "01"), ("ff", "01"), ("02", "00"), ("fe", "00")] {
            let context = try #require(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-\(flags)"))
            #expect(context.parent.hasSuffix("-\(expected)"))
        }
    }

    @Test(
        "what is malformed is no context",
        arguments: [
            "", "00", plain + "-", plain + "-00", plain + " ", " " + plain, String(plain.dropLast()), plain + "0",
            plain.uppercased(), plain.replacing("f", with: "F"), plain.replacing("-", with: "_"),
            "ff-\(trace)-\(span)-01", "0g-\(trace)-\(span)-01", "-0-\(trace)-\(span)-01", "FE-\(trace)-\(span)-01",
            "00-\(String(repeating: "0", count: 32))-\(span)-01", "00-\(trace)-\(String(repeating: "0", count: 16))-01",
            "00-\(trace.dropLast())-\(span)0-01", "00-\(trace.dropLast())g-\(span)-01", "00-\(trace)-\(span)-0x",
            "00-\(trace)-\(span.dropLast())é-01", "\(plain), \(plain)", "01-\(trace)-\(span)-01x",
            "01-\(trace)-\(span)-0", "cc-\(trace)-\(span)", "00-\(trace)-\(span)-+1",
        ])
    func malformed(_ header: String) {
        #expect(TraceContext(parent: header) == nil)
    }

    @Test("of a later version, what is known of it is read, and passed on as version 00")
    func future() throws {
        for header in ["01-\(Self.trace)-\(Self.span)-01", "cc-\(Self.trace)-\(Self.span)-01-what-the-future-will-be"] {
            #expect(try #require(TraceContext(parent: header)).parent == Self.plain)
        }
    }

    private static let long = String(repeating: "x", count: 253)

    @Test(
        "the state is passed on as it is, up to 512 bytes, whole members from the front",
        arguments: [
            ("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
            ("a=1 , \tb=2,,c", "a=1 , \tb=2,,c"), ("", nil), ("a=é", nil), ("a=1\r\nx: y", nil), ("a=\u{7f}", nil),
            ("a=\(long),b=\(long),", "a=\(long),b=\(long),"),
            ("a=\(long),b=\(long),c=3", "a=\(long),b=\(long)"),
            ("a=\(long)\(long),b=2,\(long)", "a=\(long)\(long),b=2"), ("a=\(long)\(long),b=23", "a=\(long)\(long)"),
            ("a=\(long)\(long)\(long)", nil), (",\(long)\(long)\(long)", nil),
        ] as [(String, String?)])
    func state(_ sent: String, _ kept: String?) throws {
        #expect(try #require(TraceContext(parent: Self.plain, state: sent)).state == kept)
    }

    @Test("ids of zero name nothing, and numbers are written with all their digits")
    func ids() {
        #expect(TraceID(high: 0, low: 0) == nil)
        #expect(SpanID(0) == nil)
        #expect(TraceID(high: 0, low: 1)?.hexadecimal == "00000000000000000000000000000001")
        #expect(SpanID(.max)?.hexadecimal == "ffffffffffffffff")
    }
}
