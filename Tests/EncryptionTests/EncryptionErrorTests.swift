import Encryption
import Testing

@Suite
struct EncryptionErrorTests {
    @Test("An error is shown as its sentence")
    func sentence() {
        #expect("\(EncryptionError("the key is not known"))" == "the key is not known")
    }
}
