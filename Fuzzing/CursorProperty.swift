@testable import CheckpointAPI
import Checkpoints
import SQLiteStorage

/// Cursors name the place that they were made for, and keys the identifier that they were packed from.
enum CursorProperty {
    static func check(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        if let place = Cursor.place(text) {
            require(Cursor.place(Cursor(place).text) == place, "a place that is taken is kept")
        }
        if let thread = Cursor.thread(text) {
            require(Cursor.thread(Cursor(thread: thread).text) == thread, "a thread that is taken is kept")
        }
        checkMade(text)
        checkPacked(text)
    }

    /// Any three texts without NUL are a place.
    private static func checkMade(_ text: String) {
        let parts = text.split(separator: "\u{0}", omittingEmptySubsequences: false).map { Identifier(String($0)) }
        guard parts.count >= 3 else { return }
        let place = ListPlace(id: parts[0], thread: parts[1], namespace: parts[2])
        let cursor = Cursor(place)
        let found = subject(Cursor.place(cursor.text)) { found in
            // A cursor that forgets the namespace.
            found.map { ListPlace(id: $0.id, thread: $0.thread, namespace: "") }
        }
        require(found == place, "a place is found again")
        require(Cursor.thread(cursor.text) == nil, "a place is no thread")
        require(Cursor.thread(Cursor(thread: parts[0]).text) == parts[0], "a thread is found again")
        require(Cursor.place(Cursor(thread: parts[0]).text) == nil, "a thread is no place")
    }

    private static func checkPacked(_ text: String) {
        if let packed = PackedKey.version(text) {
            require(PackedKey.text(ofVersion: packed) == text, "a version is unpacked to itself")
        }
        let uuid = Array(text.utf8).withUnsafeBufferPointer { PackedKey.uuid($0) }
        if let uuid {
            let bytes = [uuid.0, uuid.1].flatMap { number in (0..<8).map { UInt8(number >> (56 - 8 * $0) & 0xFF) } }
            require(bytes.withUnsafeBytes { PackedKey.text(ofUUID: $0) } == text, "a UUID is unpacked to itself")
        }
    }
}
