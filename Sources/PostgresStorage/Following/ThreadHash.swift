import Checkpoints

extension ThreadKey {
    /// A name for the thread in a notification, which has little room: FNV-1a of its id in the database.
    ///
    /// Two threads of one name cost a notification that nobody needs.
    var notificationHash: UInt64 {
        storedID.text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
