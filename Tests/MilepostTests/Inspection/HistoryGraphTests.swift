import JSON
import Testing
import TestSupport

@testable import milepost

@Suite("The tree of a history", .timeLimit(.minutes(5)))
struct HistoryGraphTests {
    /// Nodes as `id:parent`, newest first; the drawing with each id beside its point.
    private func drawing(_ nodes: String...) -> [String] {
        let parsed = nodes.map { node in
            let parts = node.split(separator: ":").map { JSONString(String($0)) }
            return HistoryGraph.Node(id: parts[0], parent: parts.count > 1 ? parts[1] : nil)
        }
        return HistoryGraph(parsed).rows.map { row in
            switch row {
            case .node(let index, let drawn): "\(drawn) \(parsed[index].id.string ?? "")"
            case .join(let drawn): drawn
            }
        }
    }

    @Test("a thread that was never forked is one line")
    func line() {
        #expect(drawing("3:2", "2:1", "1") == ["● 3", "● 2", "● 1"])
        #expect(drawing() == [])
    }

    @Test("a fork is a line of its own, down to where it began")
    func forks() {
        #expect(
            drawing("6:2", "5:4", "4:3", "3:2", "2:1", "1")
                == ["● 6", "│ ● 5", "│ ● 4", "│ ● 3", "├─╯", "● 2", "● 1"]
        )
        #expect(drawing("5:1", "4:1", "3:1", "2:1", "1") == ["● 5", "│ ● 4", "│ │ ● 3", "│ │ │ ● 2", "├─┴─┴─╯", "● 1"])
        // The inner fork ends first, then the place it had is taken again; a line goes through where two others meet.
        #expect(
            drawing("6:1", "5:3", "4:3", "3:1", "2:1", "1")
                == ["● 6", "│ ● 5", "│ │ ● 4", "│ ├─╯", "│ ● 3", "│ │ ● 2", "├─┴─╯", "● 1"]
        )
        #expect(
            drawing("6:2", "5:1", "4:2", "2:1", "1")
                == ["● 6", "│ ● 5", "│ │ ● 4", "├─┼─╯", "● │ 2", "├─╯", "● 1"]
        )
    }

    @Test("a parent that is not there ends the line, and its place is free again")
    func cutOff() {
        #expect(drawing("4:gone", "3:2", "2:lost") == ["● 4", "● 3", "● 2"])
    }

    @Test("a child with a smaller id than its parent is still above it, and a cycle does no harm")
    func order() {
        #expect(drawing("9:1", "8:9", "1") == ["● 8", "● 9", "● 1"])
        #expect(drawing("2:2", "1:1") == ["● 2", "● 1"])
        #expect(drawing("3:1", "2:3", "1:2").count == 3)
    }

    @Test("every node is drawn once, with its parent below it, whatever the tree")
    func random() {
        var generator = SeededGenerator(seed: testSeed("HistoryGraphTests.random"))
        for _ in 0..<200 {
            let count = Int.random(in: 1...40, using: &generator)
            let nodes = (0..<count).map { index in
                let parent =
                    index > 0 && Bool.random(using: &generator) ? Int.random(in: 0..<index, using: &generator) : nil
                return HistoryGraph.Node(
                    id: JSONString("\(100 + index)"), parent: parent.map { JSONString("\(100 + $0)") })
            }
            let shuffled = nodes.shuffled(using: &generator)
            var order: [JSONString] = []
            for case .node(let index, let drawn) in HistoryGraph(shuffled).rows {
                #expect(drawn.count { $0 == "●" } == 1)
                order.append(shuffled[index].id)
                let parent = shuffled[index].parent
                #expect(parent.map { !order.contains($0) } ?? true)
            }
            #expect(Set(order) == Set(nodes.map(\.id)) && order.count == count)
        }
    }
}
