/// Waits for what another task brings about.
///
/// It looks every other millisecond, so that it takes nothing from those it waits for. It throws when its task is
/// cancelled, as the time limit of a suite does.
package func eventually(
    isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(2)) }
}
