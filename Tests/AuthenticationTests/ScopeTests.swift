import Authentication
import Testing

@Suite
struct ScopeTests {
    @Test("Key files and tokens name the scopes by these words")
    func names() {
        #expect(Scope.allCases.map(\.rawValue) == ["read", "write", "delete", "admin", "inspect"])
    }
}
