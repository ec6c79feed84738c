@testable import CheckpointAPI
import Checkpoints
import Foundation
import JSON

/// A body is refused with a problem, or taken as it is: nothing of it is lost, and nothing is added.
enum RequestProperty {
    static func check(_ input: [UInt8]) {
        guard let call = input.first else { return }
        let body = Array(input.dropFirst())
        let value = try? JSONValue(parsing: body, limits: .request)
        switch call % 11 {
        case 0, 1: read(PutBody.schema, body).map { checkPut($0, value, body) }
        case 2, 3: read(PutWritesBody.schema, body).map { checkWrites($0, value) }
        case 4: read(GetTupleBody.schema, body).map { checkThread($0.threadID, value) }
        case 5: read(ListCheckpointsBody.schema, body).map { checkList($0, value) }
        case 6: read(DeleteThreadBody.schema, body).map { checkThread($0.threadID, value) }
        case 7: read(CopyThreadBody.schema, body).map { checkCopy($0, value) }
        case 8: read(DeleteForRunsBody.schema, body).map { checkTexts($0.runIDs, value?["run_ids"]) }
        case 9: read(PruneBody.schema, body).map { checkTexts($0.threadIDs, value?["thread_ids"]) }
        default: read(DeltaChannelHistoryBody.schema, body).map { checkThread($0.threadID, value) }
        }
    }

    private static func read<Body>(_ schema: ObjectSchema<Body>, _ bytes: [UInt8]) -> Body? {
        do {
            return try bytes.withUnsafeBytes { try schema.read($0) }
        } catch let error as ValidationError {
            require((1...Problems.limit).contains(error.problems.count), "a refusal says why")
            _ = error.response
        } catch {
            require(false, "no other error: \(error)")
        }
        return nil
    }

    // MARK: - Calls

    private static func checkPut(_ body: PutBody, _ value: JSONValue?, _ bytes: [UInt8]) {
        checkRaw(body.document, bytes)
        if body.metadata != .emptyObject { checkRaw(body.metadata, bytes) }
        guard let value else { return }
        checkThread(body.threadID, value)
        checkText(body.checkpointID.text, value["checkpoint_id"])
        checkText(body.namespace.text, value["checkpoint_ns"] ?? "")
        checkText(body.parentID?.text, value["parent_checkpoint_id"])
        require((try? body.document.value) == value["checkpoint"], "the document is the one that came")
        require((try? body.metadata.value) == value["metadata"] ?? [:], "and so is the metadata")
        let blobs = elements(value["blobs"])
        require(blobs.count == body.blobs.count, "every blob is there")
        for (blob, value) in zip(body.blobs, blobs) {
            checkText(blob.channel.text, value["channel"])
            checkText(blob.version.text, value["version"])
            checkText(blob.type, value["type"])
            checkBytes(blob.bytes, value["blob"])
        }
    }

    private static func checkWrites(_ body: PutWritesBody, _ value: JSONValue?) {
        guard let value else { return }
        checkThread(body.threadID, value)
        checkText(body.checkpointID.text, value["checkpoint_id"])
        checkText(body.namespace.text, value["checkpoint_ns"] ?? "")
        let writes = elements(value["writes"])
        require(writes.count == body.writes.count, "every write is there")
        for (write, value) in zip(body.writes.map(\.write), writes) {
            checkText(write.taskID.text, value["task_id"])
            checkText(write.channel.text, value["channel"])
            checkText(write.type, value["type"])
            checkText(write.taskPath.text, value["task_path"] ?? "")
            checkBytes(write.bytes, value["blob"])
            checkInteger(Int(write.index), value["idx"])
        }
    }

    private static func checkList(_ body: ListCheckpointsBody, _ value: JSONValue?) {
        guard let value else { return }
        if let thread = body.threadID {
            checkText(thread.text, value["thread_id"])
        } else {
            require(value["across_threads"] != nil, "all threads are asked for in so many words")
        }
        checkText(body.namespace?.text, value["checkpoint_ns"])
        checkText(body.before?.text, value["before_checkpoint_id"])
        checkText(body.id?.text, value["checkpoint_id"])
        require(body.metadataFilter == nonNull(value["filter_metadata"]), "the filter is the one that came")
        require(CheckpointQuery.limits.contains(body.limit), "the limit is one")
        if let limit = value["limit"] { checkInteger(body.limit, limit) }
    }

    private static func checkCopy(_ body: CopyThreadBody, _ value: JSONValue?) {
        guard let value else { return }
        checkText(body.source.text, value["source_thread_id"])
        checkText(body.target.text, value["target_thread_id"])
    }

    // MARK: - Values

    private static func checkThread(_ thread: Identifier, _ value: JSONValue?) {
        guard let value else { return }
        checkText(thread.text, value["thread_id"])
    }

    private static func checkText(_ text: String?, _ value: JSONValue?) {
        // By bytes: a String would take one form of é for the other.
        let bytes = text.map { Array($0.utf8) }
        guard case .string(let string)? = nonNull(value) else {
            return require(text == nil, "a text that did not come: \(text ?? "")")
        }
        require(bytes == string.wtf8, "the text that came")
        require(!string.wtf8.contains(0), "without NUL")
    }

    private static func checkTexts(_ texts: [Identifier], _ value: JSONValue?) {
        guard let value else { return }
        require(elements(value).count == texts.count, "every text is there")
        for (text, value) in zip(texts, elements(value)) { checkText(text.text, value) }
    }

    private static func checkBytes(_ bytes: [UInt8]?, _ value: JSONValue?) {
        let found = subject(bytes) { bytes in
            // A server that takes two bytes for none.
            bytes.flatMap { $0.count == 2 ? [] : $0 }
        }
        guard case .string(let string)? = nonNull(value) else {
            return require(found == nil, "bytes that did not come")
        }
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D]
        let expected = Data(base64Encoded: Data(string.wtf8.filter { !spaces.contains($0) })).map { [UInt8]($0) }
        require(found == expected, "the bytes that came")
    }

    /// Numbers are what they are; what else is taken for a whole number is pydantic's to say.
    private static func checkInteger(_ integer: Int, _ value: JSONValue?) {
        guard case .number(let number)? = value else { return }
        require(number.double == Double(integer), "the number that came: \(number.text), not \(integer)")
    }

    /// What is kept word for word is a part of the body.
    private static func checkRaw(_ text: JSONText, _ body: [UInt8]) {
        require(Data(body).range(of: Data(text.bytes)) != nil, "a document is kept as it came")
    }

    private static func nonNull(_ value: JSONValue?) -> JSONValue? { value == .null ? nil : value }

    private static func elements(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let elements)? = value { elements } else { [] }
    }
}
