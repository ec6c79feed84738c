/// Who else may use a file that holds secrets: the one rule for all of them.
///
/// It is PostgreSQL's for a server's private key: a file of one's own is for oneself alone; one that root put there for
/// this process may be read by its group, as Kubernetes' Secrets and systemd's credentials are.
/// https://www.postgresql.org/docs/current/ssl-tcp.html
package enum SecretFileAccess {
    /// Whether the permissions `mode` of a file of `owner` keep it secret from others than `user`, who runs this.
    package static func isPrivate(mode: UInt32, owner: UInt32, user: UInt32) -> Bool {
        let isRoots = owner == 0 && user != 0
        return mode & (isRoots ? 0o037 : 0o077) == 0
    }
}
