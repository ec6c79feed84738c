import Checkpoints
import Testing

@Suite("Files that hold secrets")
struct SecretFileAccessTests {
    @Test(
        "a file of one's own is for oneself alone, also where one is root",
        arguments: [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] as [UInt32], [0, 1_000] as [UInt32])
    func own(_ bit: UInt32, _ user: UInt32) {
        #expect(SecretFileAccess.isPrivate(mode: 0o100_600, owner: user, user: user))
        #expect(!SecretFileAccess.isPrivate(mode: 0o100_600 | bit, owner: user, user: user))
    }

    @Test("one that root put there may be read by its group, and no more")
    func roots() {
        #expect(SecretFileAccess.isPrivate(mode: 0o100_440, owner: 0, user: 65_532))
        #expect(SecretFileAccess.isPrivate(mode: 0o100_640, owner: 0, user: 65_532))
        for bit in [0o020, 0o010, 0o004, 0o002, 0o001] as [UInt32] {
            #expect(!SecretFileAccess.isPrivate(mode: 0o100_640 | bit, owner: 0, user: 65_532))
        }
    }

    @Test("one of another user is not")
    func others() {
        #expect(!SecretFileAccess.isPrivate(mode: 0o100_440, owner: 1_001, user: 1_000))
    }
}
