import HTTPTypes

/// The short names of the calls, for metrics and log lines: `put_writes`, `get_threads`, and `other` for whatever is none.
///
/// A call below `/checkpoints` is named for itself, any other for its method and path: `get_thread` is one of the threads.
struct CallNames: Sendable {
    /// All there are; a call is known by its place here.
    let all: [String]
    private let places: [String: [(method: HTTPRequest.Method, place: Int)]]

    static let other = 0

    init(_ endpoints: [Endpoint]) {
        var all = ["other"]
        var places: [String: [(method: HTTPRequest.Method, place: Int)]] = [:]
        for endpoint in endpoints {
            let name = Self.name(endpoint)
            let place = all.firstIndex(of: name) ?? all.count
            if place == all.count { all.append(name) }
            places[endpoint.path, default: []].append((endpoint.method, place))
        }
        self.all = all
        self.places = places
    }

    /// The place of the call that a request is for.
    func place(of head: HTTPRequest) -> Int {
        // Most are in the table as they are.
        guard let path = head.path, let calls = places[path] ?? places[RoutingMiddleware.route(path)] else {
            return Self.other
        }
        return calls.first { $0.method == head.method }?.place ?? Self.other
    }

    private static func name(_ endpoint: Endpoint) -> String {
        var steps: [Substring] = []
        for step in endpoint.path.split(separator: "/") {
            if !step.hasPrefix("{") {
                steps.append(step)
            } else if let collection = steps.popLast() {
                steps.append(collection.hasSuffix("s") ? collection.dropLast() : collection)
            }
        }
        let words =
            endpoint.method == .post && steps.first == "checkpoints"
            ? Array(steps.dropFirst()) : [Substring(endpoint.method.rawValue.lowercased())] + steps
        let text = words.joined(separator: "_")
        return String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
