import Glibc
import HostCore
import NodeValues

/// `hostctl store ACTION ROLE [KEY] [VALUE]`
enum StoreCommand {
  enum Action: String, CaseIterable {
    case ls, get, put, delete, export
  }

  /// A whole request must fit into what a node reads, and bytes that are not text grow by a third.
  private static let putLimit = HTTPLimits.body / 2

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let words = invocation.arguments
    guard let action = Action(rawValue: words[0]) else {
      let known = Action.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure("store does \(known), not \"\(words[0])\"", remedy: usage, code: .usage)
    }
    let wanted = action == .put ? 4 : 3
    guard words.count <= wanted else {
      throw CommandFailure("store \(action.rawValue) takes no \"\(words[wanted])\"", remedy: usage, code: .usage)
    }
    switch action {
    case .ls: try list(invocation)
    case .export: try export(invocation)
    case .get: try get(invocation)
    case .put: try change(.put(key(invocation), value(invocation), expected: expected(invocation)), invocation)
    case .delete: try change(.delete(key(invocation), expected: expected(invocation)), invocation)
    }
  }

  private static let usage = "See hostctl store --help."

  // MARK: What was typed

  private static func bytes(_ word: String, _ invocation: Invocation) throws(CommandFailure) -> [UInt8] {
    guard invocation.has("base64") else { return Array(word.utf8) }
    if let bytes = Base64.decode(word) { return bytes }
    throw CommandFailure("\"\(word)\" is not base64", code: .usage)
  }

  private static func key(_ invocation: Invocation) throws(CommandFailure) -> [UInt8] {
    guard invocation.arguments.count > 2 else {
      throw CommandFailure("store \(invocation.arguments[0]) needs KEY", remedy: usage, code: .usage)
    }
    return try bytes(invocation.arguments[2], invocation)
  }

  private static func value(_ invocation: Invocation) throws(CommandFailure) -> [UInt8] {
    guard invocation.arguments.count > 3 else {
      throw CommandFailure("store put needs VALUE", remedy: usage, code: .usage)
    }
    let word = invocation.arguments[3]
    let value =
      word.hasPrefix("@")
      ? try System.read(String(word.dropFirst()), limit: putLimit) : try bytes(word, invocation)
    guard value.count <= putLimit else {
      throw CommandFailure("a value of more than \(HumanUnits.bytes(UInt64(putLimit))) cannot be put from here")
    }
    return value
  }

  private static func expected(_ invocation: Invocation) throws(CommandFailure) -> UInt64? {
    guard let text = invocation.value("revision") else { return nil }
    guard let number = UInt64(text), number <= UInt64(Int64.max) else {
      throw CommandFailure("--revision is a whole number from 0, not \"\(text)\"", code: .usage)
    }
    return number
  }

  private static func limit(_ invocation: Invocation) throws(CommandFailure) -> Int? {
    guard let text = invocation.value("limit") else { return nil }
    guard let number = Int(text), number >= 1 else {
      throw CommandFailure("--limit is a whole number from 1, not \"\(text)\"", code: .usage)
    }
    return number
  }

  // MARK: Entries

  /// Asks page by page, so that a large store fits into little memory; each page is of one moment.
  private static func pages(
    _ invocation: Invocation, withValues: Bool, limit: Int?, _ take: ([JSON]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) -> (count: Int, hasMore: Bool) {
    let prefix = invocation.arguments.count > 2 ? try bytes(invocation.arguments[2], invocation) : []
    var page = StorePage(prefix: prefix, withValues: withValues)
    var count = 0
    while true {
      if let limit { page.limit = min(StorePage.usualLimit, limit - count) }
      let answer = try NodeFinder.connect(invocation).ask(.store(role: invocation.arguments[1], .list(page)))
      let entries = answer.list("entries")
      try take(entries)
      count += entries.count
      guard answer["more"]?.bool == true else { return (count, false) }
      guard let last = entries.last.flatMap(StoreEntryReport.init) else {
        throw CommandFailure("the node's answer has no entry to go on from")
      }
      if let limit, count >= limit { return (count, true) }
      page.after = last.key
    }
  }

  private static func list(_ invocation: Invocation) throws(CommandFailure) {
    let limit = try limit(invocation) ?? StorePage.usualLimit
    var all: [JSON] = []
    let (count, hasMore) = try pages(invocation, withValues: false, limit: limit) { entries in all += entries }
    if invocation.has("json") { return try Output.json(["entries": .array(all), "more": .bool(hasMore)]) }
    var table = Table([
      .init("KEY", shrinks: true), .init("SIZE", rightAligned: true), .init("REVISION", rightAligned: true),
    ])
    for entry in all.compactMap(StoreEntryReport.init) {
      table.add([
        .init(shown(entry.key, invocation)), .init(HumanUnits.bytes(UInt64(entry.size))), .init("\(entry.revision)"),
      ])
    }
    try Output.table(table)
    guard hasMore else { return }
    let note = "These are the first \(count); --limit shows more, and hostctl store export all."
    try Output.write(Output.style.paint(note, .faint) + "\n")
  }

  private static func shown(_ key: [UInt8], _ invocation: Invocation) -> String {
    if invocation.has("base64") { return Base64.encode(key) }
    guard let text = JSONBytes.text(key) else { return "base64:" + Base64.encode(key) }
    return text
  }

  /// One entry a line, as JSON, whatever --json says.
  private static func export(_ invocation: Invocation) throws(CommandFailure) {
    _ = try pages(invocation, withValues: true, limit: limit(invocation)) { entries throws(CommandFailure) in
      try Output.write(entries.map { $0.description + "\n" }.joined())
    }
  }

  private static func get(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.store(role: invocation.arguments[1], .get(key(invocation))))
    if invocation.has("json") { return try Output.json(answer) }
    let value = StoreEntryReport(answer)?.value ?? []
    if invocation.has("base64") { return try Output.write(Base64.encode(value) + "\n") }
    // As it is, since it may be the input of another program; a person wants the prompt on a line of its own.
    try Output.write(value)
    if isatty(1) != 0, value.last != 0x0A { try Output.write("\n") }
  }

  private static func change(_ query: StoreQuery, _ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.store(role: invocation.arguments[1], query))
    if invocation.has("json") { return try Output.json(answer) }
    try Output.write("revision \(answer.text("revision"))\n")
  }
}
