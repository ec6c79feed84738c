import Checkpoints
import JSON

// MARK: - Lists and choices

extension Field {
    /// A list of objects.
    ///
    /// A problem in one element does not hide those of the next.
    static func list<Element: Sendable>(
        _ name: String,
        _ title: String,
        isRequired: Bool = true,
        of schema: ObjectSchema<Element>,
        store: @escaping Store<[Element]>
    ) -> Field {
        Field(
            name: name,
            isRequired: isRequired,
            shape: .array(schema.shape),
            carriesBlobs: schema.carriesBlobs,
            description: .array(of: .reference(to: schema.name), title: title),
            part: schema.description,
            read: { node, document, body, problems in
                guard node.kind == .array else {
                    let mayRepeat = node.kind != .object || !schema.carriesBlobs
                    problems.add(.list, at: name, input: mayRepeat ? Problems.input(node, in: document) : nil)
                    return
                }
                var elements: [Element] = []
                elements.reserveCapacity(node.elementCount)
                document.forEachElement(of: node) { index, element in
                    problems.element = (name, index)
                    if let value = schema.read(element, in: document, &problems) {
                        elements.append(value)
                    }
                }
                problems.element = nil
                store(&body, elements)
            }
        )
    }

    /// A list of texts, at most `limit`; required.
    static func identifiers(
        _ name: String,
        _ title: String,
        limit: Int = .max,
        store: @escaping Store<[Identifier]>
    ) -> Field {
        texts(name, title, isRequired: true, limit: limit, element: ["type": "string"], store: store) {
            node, document throws(Problem) in Identifier(try document.requireString(node))
        }
    }

    /// A list of words that are among some; missing and null are an empty one.
    static func choices(
        _ name: String,
        _ title: String,
        among words: [String],
        store: @escaping Store<[String]>
    ) -> Field {
        let element: JSONValue = ["enum": .strings(words), "type": "string"]
        return texts(name, title, isRequired: false, element: element, store: store) {
            node, document throws(Problem) in try document.requireWord(node, among: words)
        }
    }

    /// A word that is among some.
    static func choice(
        _ name: String,
        _ title: String,
        among words: [String],
        default value: String,
        store: @escaping Store<String>
    ) -> Field {
        Field(
            name,
            isRequired: false,
            description: .object([
                JSONMember(name: "enum", value: .strings(words)), JSONMember(name: "type", value: "string"),
                .title(title), JSONMember(name: "default", value: .string(JSONString(value))),
            ]),
            decode: { node, document throws(Problem) in try document.requireWord(node, among: words) },
            store: store
        )
    }

    /// Where a page begins; missing and null are the first.
    static func cursor<Place: Sendable>(
        _ name: String,
        _ title: String,
        _ parse: @escaping @Sendable (String) -> Place?,
        store: @escaping Store<Place?>
    ) -> Field {
        Field(
            name,
            isRequired: false,
            description: .nullable(["type": "string"], title: title),
            decode: { node, document throws(Problem) -> Place? in
                if node.kind == .null { return nil }
                guard let place = parse(try document.requireString(node)) else { throw .cursor }
                return place
            },
            store: store
        )
    }

    private static func texts<Element: Sendable>(
        _ name: String,
        _ title: String,
        isRequired: Bool,
        limit: Int = .max,
        element: JSONValue,
        store: @escaping Store<[Element]>,
        decode: @escaping @Sendable (JSONNode, JSONDocument) throws(Problem) -> Element
    ) -> Field {
        let list = JSONValue.object([
            JSONMember(name: "items", value: element), JSONMember(name: "type", value: "array"),
        ])
        return Field(
            name: name,
            isRequired: isRequired,
            shape: .array(.value),
            carriesBlobs: false,
            description: isRequired ? .titled(list, title) : .nullable(list, title: title),
            part: nil,
            read: { node, document, body, problems in
                if !isRequired, node.kind == .null { return }
                guard node.kind == .array else {
                    problems.add(.list, at: name, input: Problems.input(node, in: document))
                    return
                }
                guard node.elementCount <= limit else {
                    problems.add(.tooLong(limit: limit, count: node.elementCount), at: name)
                    return
                }
                var elements: [Element] = []
                elements.reserveCapacity(node.elementCount)
                document.forEachElement(of: node) { index, element in
                    do throws(Problem) {
                        elements.append(try decode(element, document))
                    } catch {
                        problems.element = (name, index)
                        problems.add(error, input: Problems.input(element, in: document))
                    }
                }
                problems.element = nil
                store(&body, elements)
            }
        )
    }
}

extension JSONDocument {
    fileprivate func requireWord(_ node: JSONNode, among words: [String]) throws(Problem) -> String {
        guard node.kind == .string, let word = utf8String(of: node), words.contains(word) else {
            throw .literal(words)
        }
        return word
    }
}
