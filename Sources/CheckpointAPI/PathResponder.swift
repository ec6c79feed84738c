import Hummingbird

/// Gives the router the path alone: a query or fragment is cut off, escapes are decoded.
///
/// Nothing else is normalised. The path of a thread keeps its escapes, because an id may have a slash, and the list of
/// threads keeps its query.
struct PathResponder<Base: HTTPResponder>: HTTPResponder {
    let base: Base

    @concurrent
    func respond(to request: Request, context: Base.Context) async throws -> Response {
        let target = request.head.path ?? ""
        guard
            target.utf8.contains(where: {
                $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") || $0 == UInt8(ascii: "%")
            })
        else { return try await base.respond(to: request, context: context) }
        var head = request.head
        let path = target.prefix { $0 != "?" && $0 != "#" }
        if ThreadPath(String(path)) != nil {
            head.path = String(path)
        } else if path == ThreadPath.collection {
            head.path = String(target.prefix { $0 != "#" })
        } else {
            let decoded = path.decodingEscapes
            // An escaped slash or question mark makes no thread of a path that is none.
            let isOther = decoded.hasPrefix(ThreadPath.collection) && decoded != ThreadPath.collection
            head.path = isOther ? String(path) : decoded
        }
        return try await base.respond(to: Request(head: head, body: request.body), context: context)
    }
}

extension Substring {
    /// `%2D` is `-`.
    ///
    /// What is no escape stays as it is, and names no path.
    var decodingEscapes: String {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
