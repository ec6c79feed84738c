package import Synchronization

/// A value that tasks of a test share: a closure that is sent cannot have a `Mutex` itself.
package final class Shared<Value: Sendable>: Sendable {
    package let value: Mutex<Value>

    package init(_ value: Value) {
        self.value = Mutex(value)
    }
}
