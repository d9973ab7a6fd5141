import CYaml
import HostCore

/// What the tree builder needs of a libyaml event, with strings borrowed until the next event.
struct YamlEvent {
  enum Kind {
    case documentStart, scalar, alias, listStart, listEnd, mappingStart, mappingEnd
  }

  var kind: Kind
  var place: SourcePlace
  var anchor: String?
  var tag: String?
  var bytes = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  var isPlain = false
}

/// Drives libyaml's event parser over bytes in memory.
enum YamlParser {
  static func events(
    of bytes: [UInt8], at locator: YamlLocator, _ body: (YamlEvent) throws(Fault) -> Void
  ) throws(Fault) {
    var locator = locator
    // The parser keeps a pointer to itself, so it must not move.
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { parser.deallocate() }
    guard yaml_parser_initialize(parser) == 1 else { throw Fault("no memory is left to read it", at: start(&locator)) }
    defer { yaml_parser_delete(parser) }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    let outcome: Result<Void, Fault> = bytes.withUnsafeBufferPointer { bytes in
      let skipped = bytes.starts(with: SourceText.byteOrderMark) ? 3 : 0
      yaml_parser_set_input_string(parser, bytes.baseAddress.map { $0 + skipped }, bytes.count - skipped)
      do throws(Fault) {
        while try next(of: parser, &locator, body) {}
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  private static func start(_ locator: inout YamlLocator) -> SourcePlace { locator.place(line: 0, column: 0) }

  /// False after the last event. Each call consumes input, so the loop ends with the document.
  private static func next(
    of parser: UnsafeMutablePointer<yaml_parser_t>, _ locator: inout YamlLocator,
    _ body: (YamlEvent) throws(Fault) -> Void
  ) throws(Fault) -> Bool {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxFault(of: parser.pointee, &locator) }
    defer { yaml_event_delete(&event) }
    if event.type == YAML_STREAM_END_EVENT { return false }
    let mark = event.start_mark
    let place = locator.place(line: mark.line, column: mark.column)
    if let event = translated(event, at: place) { try body(event) }
    return true
  }

  private static func translated(_ event: yaml_event_t, at place: SourcePlace) -> YamlEvent? {
    switch event.type {
    case YAML_DOCUMENT_START_EVENT: return YamlEvent(kind: .documentStart, place: place)
    case YAML_ALIAS_EVENT:
      return YamlEvent(kind: .alias, place: place, anchor: text(event.data.alias.anchor))
    case YAML_SEQUENCE_START_EVENT:
      let data = event.data.sequence_start
      return YamlEvent(kind: .listStart, place: place, anchor: text(data.anchor), tag: text(data.tag))
    case YAML_SEQUENCE_END_EVENT: return YamlEvent(kind: .listEnd, place: place)
    case YAML_MAPPING_START_EVENT:
      let data = event.data.mapping_start
      return YamlEvent(kind: .mappingStart, place: place, anchor: text(data.anchor), tag: text(data.tag))
    case YAML_MAPPING_END_EVENT: return YamlEvent(kind: .mappingEnd, place: place)
    case YAML_SCALAR_EVENT:
      let data = event.data.scalar
      return YamlEvent(
        kind: .scalar, place: place, anchor: text(data.anchor), tag: text(data.tag),
        bytes: UnsafeBufferPointer(start: data.value, count: data.length),
        isPlain: data.style == YAML_PLAIN_SCALAR_STYLE)
    default: return nil
    }
  }

  private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }
}

/// libyaml's own errors, in its words but with the cause that a person would look for.
extension YamlParser {
  private static func syntaxFault(of parser: yaml_parser_t, _ locator: inout YamlLocator) -> Fault {
    let problem = parser.problem.map { String(cString: $0) } ?? "not YAML"
    if parser.error == YAML_READER_ERROR {
      // The mark still points at the beginning then. The text was checked before, so this is hardly reached.
      let start = start(&locator)
      return Fault(problem, at: SourcePlace(source: start.source, offset: parser.problem_offset))
    }
    let mark = parser.problem_mark
    let place = locator.place(line: mark.line, column: mark.column)
    var fault = Fault("not YAML: \(problem)", at: place)
    if let context = parser.context.map({ String(cString: $0) }) {
      fault.message += " \(context)"
      let mark = parser.context_mark
      let begin = locator.place(line: mark.line, column: mark.column)
      if begin != place { fault.related = [Fault.Related("it begins here", at: begin)] }
    }
    fault.expected = hint(at: place, locator)
    return fault
  }

  private static func hint(at place: SourcePlace, _ locator: YamlLocator) -> Fault.Expectation {
    switch locator.byte(at: place) {
    case UInt8(ascii: "\t"): .described("spaces: YAML does not allow tabs for indentation")
    case UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "%"):
      .described("this value in quotes: YAML keeps its first character for itself")
    case _ where locator.followsVariable(place): .described("`\"${…}\"` in quotes, closed on the same line")
    default: .unsaid
    }
  }
}
