import ArgumentParser
import CheckpointAPI

/// The program: finds the command and runs it.
@main
struct Milepost: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "milepost",
        abstract: "A checkpoint server for LangGraph agents.",
        discussion: """
            An agent saves its state after every step; Milepost keeps it. It speaks the Agentex Checkpoints API over
            HTTP and stores in one SQLite file, so there is nothing to set up, or in PostgreSQL:

              milepost serve

            then point agents at http://localhost:5003.
            """,
        version: Version.current,
        subcommands: [
            Serve.self, Health.self, Doctor.self, Verify.self, Prune.self, Backup.self, Restore.self, Export.self,
            Import.self, Migrate.self, Keys.self, Rekey.self,
            Threads.self, Follow.self, History.self, Show.self, Diff.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Output.end(with: error)
        }
    }
}
