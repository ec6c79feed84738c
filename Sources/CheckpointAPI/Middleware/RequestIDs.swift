import Observability

/// Makes ids for requests: 16 hexadecimal digits, no two alike within a process, and hardly two among processes.
final class RequestIDs: Sendable {
    private let numbers = UniqueNumbers()

    func next() -> String { numbers.next().hexadecimal }
}
