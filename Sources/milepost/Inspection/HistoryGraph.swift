import JSON

/// Checkpoints and their parents as lines beside a list, newest first, as `git log --graph` draws commits.
struct HistoryGraph {
    struct Node {
        let id: JSONString
        let parent: JSONString?
    }

    enum Row: Equatable {
        /// The line of `nodes[index]`.
        case node(Int, drawn: String)
        /// Where branches come together; there is nothing beside it.
        case join(drawn: String)
    }

    let rows: [Row]

    /// Ids are unique; a parent need not be there, and a cycle does no harm.
    init(_ nodes: [Node]) {
        let known = Set(nodes.map(\.id))
        var placed: Set<JSONString> = []
        // What each line of the drawing comes down to; nil is a free one.
        var lanes: [JSONString?] = []
        var rows: [Row] = []
        for index in Self.childrenFirst(nodes) {
            let node = nodes[index]
            let meeting = lanes.indices.filter { lanes[$0] == node.id }
            let lane = meeting.first ?? lanes.firstIndex { $0 == nil } ?? lanes.count
            if lane == lanes.count { lanes.append(nil) }
            if meeting.count > 1 {
                rows.append(.join(drawn: Self.join(lanes, meeting)))
                for other in meeting.dropFirst() { lanes[other] = nil }
                Self.trim(&lanes)
            }
            rows.append(.node(index, drawn: Self.line(lanes, lane)))
            placed.insert(node.id)
            lanes[lane] = node.parent.flatMap { known.contains($0) && !placed.contains($0) ? $0 : nil }
            Self.trim(&lanes)
        }
        self.rows = rows
    }

    /// Free lines at the right are none.
    private static func trim(_ lanes: inout [JSONString?]) {
        while case .some(nil) = lanes.last { lanes.removeLast() }
    }

    /// Every node after all of its children, else the greatest id first.
    private static func childrenFirst(_ nodes: [Node]) -> [Int] {
        let byID = Dictionary(nodes.indices.map { (nodes[$0].id, $0) }) { first, _ in first }
        var children = [Int](repeating: 0, count: nodes.count)
        for node in nodes { if let parent = node.parent.flatMap({ byID[$0] }) { children[parent] += 1 } }
        func precedes(_ left: Int, _ right: Int) -> Bool {
            nodes[right].id.wtf8.lexicographicallyPrecedes(nodes[left].id.wtf8)
        }
        // The next one is at the end.
        var ready = nodes.indices.filter { children[$0] == 0 }.sorted { precedes($1, $0) }
        var order: [Int] = []
        while let next = ready.popLast() {
            order.append(next)
            guard let parent = nodes[next].parent.flatMap({ byID[$0] }) else { continue }
            children[parent] -= 1
            guard children[parent] == 0 else { continue }
            var (low, high) = (0, ready.count)
            while low < high {
                let middle = (low + high) / 2
                if precedes(parent, ready[middle]) { low = middle + 1 } else { high = middle }
            }
            ready.insert(parent, at: low)
        }
        let left = Set(nodes.indices).subtracting(order)
        return order + left.sorted(by: precedes)
    }

    private static func line(_ lanes: [JSONString?], _ lane: Int) -> String {
        lanes.indices.map { $0 == lane ? "●" : lanes[$0] == nil ? " " : "│" }.joined(separator: " ")
    }

    private static func join(_ lanes: [JSONString?], _ meeting: [Int]) -> String {
        let (first, last) = (meeting.first ?? 0, meeting.last ?? 0)
        var drawn = ""
        for lane in lanes.indices {
            let isWithin = lane > first && lane <= last
            if lane > 0 { drawn += isWithin ? "─" : " " }
            switch lane {
            case first: drawn += "├"
            case last: drawn += "╯"
            case _ where meeting.contains(lane): drawn += "┴"
            case _ where isWithin: drawn += lanes[lane] == nil ? "─" : "┼"
            default: drawn += lanes[lane] == nil ? " " : "│"
            }
        }
        return drawn
    }
}
