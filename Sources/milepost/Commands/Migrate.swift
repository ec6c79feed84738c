import ArgumentParser
import Checkpoints
import PostgresStorage

/// `milepost migrate`: makes the tables of a PostgreSQL database ready, or shows what that would take.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the tables of a PostgreSQL database ready.",
        discussion: """
            A server does this by itself when its role may. Where it may not, run this once as a role that owns the \
            tables, or hand the statements to whoever does. On tables that LangGraph or Agentex made, only nullable \
            columns, indexes and tables named milepost_ are added.

            EXAMPLES
              milepost migrate --store postgresql://owner@db/agents
                  beside the traffic; nothing happens when all is ready
              milepost migrate --store postgresql://owner@db/agents --print-sql | psql postgresql://owner@db/agents
                  the same by psql; changes nothing by itself
              milepost migrate --store postgresql://owner@coordinator/agents --distribute
                  over a Citus cluster, by thread
            """
    )

    @OptionGroup var options: StoreOptions

    @Flag(help: "Print the statements that are needed instead of running them.")
    var printSql = false

    @Flag(help: "Also distribute the tables over a Citus cluster by thread.")
    var distribute = false

    func run() async throws {
        let store = try await options.read()
        guard case .postgres(let target) = store else {
            throw StartError.usage(
                "\(store.description) needs no migration by hand: its server upgrades it; give a postgresql:// store"
            )
        }
        do {
            if printSql {
                try printStatements(target)
            } else {
                let statements = try PostgresSchema.pendingStatements(target)
                if distribute { try PostgresSchema.distribute(target) } else { try PostgresSchema.migrate(target) }
                Output.line(statements.isEmpty ? "nothing to do: the tables are ready" : "the tables are ready")
                if distribute { Output.line("distributed by thread_id") }
            }
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
    }

    private func printStatements(_ target: ConnectionString) throws {
        let statements = try PostgresSchema.pendingStatements(target) + (distribute ? PostgresSchema.distribution : [])
        guard !statements.isEmpty else {
            Output.line("-- nothing to do: the tables are ready")
            return
        }
        Output.line("\\set ON_ERROR_STOP on")
        for statement in statements {
            Output.line(statement + ";")
        }
    }
}
