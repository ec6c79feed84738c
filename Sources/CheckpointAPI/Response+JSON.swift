import HTTPTypes
import Hummingbird
import JSON
import NIOCore

extension Response {
    init(_ answer: CallAnswer) {
        self.init(
            status: answer.status,
            headers: answer.headers,
            body: answer.json.map { ResponseBody(byteBuffer: ByteBuffer(bytes: $0.bytes)) } ?? ResponseBody()
        )
    }

    static func json(_ writer: JSONWriter, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes))
        )
    }

    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        var writer = JSONWriter()
        writer.value(value)
        return json(writer, status: status)
    }

    /// `{"detail": …}`, the shape of every refusal.
    static func detail(_ status: HTTPResponse.Status, _ text: String) -> Response {
        json(["detail": .string(JSONString(text))], status: status)
    }

    /// 503 with `retry-after` in seconds.
    static func retry(after seconds: Int, _ text: String) -> Response {
        var response = detail(.serviceUnavailable, text)
        response.headers[.retryAfter] = String(seconds)
        return response
    }

    /// All a client learns of an unforeseen error; the log has the rest under the request's id.
    static var internalServerError: Response {
        json(["message": "Internal Server Error", "code": 500, "data": nil], status: .internalServerError)
    }
}
