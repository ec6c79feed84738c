/// What the operator of a store needs beyond the calls of agents.
package protocol StoreMaintenance: Sendable {
    /// Proves that the store takes changes: writes something and makes it durable. Costs one commit.
    func probe() async throws(StoreError)

    /// Walks everything stored and returns what is wrong with it, one sentence each; empty when all is well.
    /// Costs a read of the whole store; changes go on meanwhile.
    func verify() async throws(StoreError) -> [String]

    /// Finishes what was accepted, refuses what comes later with `closed`, and releases files and connections.
    /// A second call does nothing.
    func close() async
}
