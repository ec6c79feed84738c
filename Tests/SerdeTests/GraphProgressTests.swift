import JSON
import Serde
import Testing

/// What a checkpoint's document says of the graph's nodes.
@Suite("Progress of a graph")
struct GraphProgressTests {
    private func progress(_ document: String) throws -> GraphProgress {
        GraphProgress(try JSONValue(parsing: Array(document.utf8)))
    }

    @Test("a node ran when it has seen more than before; LangGraph's own do not count")
    func nodes() throws {
        let before = try progress(#"{"versions_seen":{"a":{"x":"1"},"b":{},"__input__":{}}}"#)
        let after = try progress(#"{"versions_seen":{"a":{"x":"2"},"b":{},"c":{},"__input__":{"x":"1"}}}"#)
        #expect(after.nodes(since: before) == ["a", "c"])
        #expect(before.nodes(since: before).isEmpty)
        #expect(try progress("{}").nodes(since: before).isEmpty)
    }

    @Test("a node is next when its edge has a value that it has not seen")
    func next() throws {
        func next(_ version: String, _ seen: String, _ values: String = #"{"branch:to:b":null}"#) throws -> [String] {
            try progress(
                #"{"channel_values":\#(values),"channel_versions":{"branch:to:b":\#(version)},"versions_seen":{"b":\#(seen)}}"#
            ).next
        }
        #expect(try next(#""2""#, "{}") == ["b"])
        #expect(try next(#""2""#, #"{"branch:to:b":"1"}"#) == ["b"])
        #expect(try next(#""2""#, #"{"branch:to:b":"2"}"#).isEmpty)
        #expect(try next("2", #"{"branch:to:b":2}"#).isEmpty)
        #expect(try next(#""2""#, "{}", #"{"n":1}"#).isEmpty)
        #expect(try next(#""2""#, "[]", "7").isEmpty)
    }

    @Test("a node behind several is next when all of them have run, and it has not since")
    func joined() throws {
        func joined(_ ran: [String], seen: String) throws -> [String] {
            let document = #"{"channel_versions":{"join:a+b:c":"3"},"versions_seen":{"c":\#(seen)}}"#
            let set = DecodedValue.object(type: "builtins.set", .value(.array(ran.map { DecodedValue($0) })))
            let progress = try progress(document)
            #expect(progress.hasJoins)
            return progress.joined([
                DecodedEntry(DecodedValue("join:a+b:c"), set), DecodedEntry(DecodedValue("n"), .null),
            ])
        }
        #expect(try joined(["b", "a"], seen: "{}") == ["c"])
        #expect(try joined(["b", "a"], seen: #"{"join:a+b:c":"2"}"#) == ["c"])
        #expect(try joined(["b", "a"], seen: #"{"join:a+b:c":"3"}"#).isEmpty)
        #expect(try joined(["a"], seen: "{}").isEmpty)
        #expect(try joined([], seen: "{}").isEmpty)
        #expect(try !progress("{}").hasJoins)
    }
}
