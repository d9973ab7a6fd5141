import HostCore
import NodeValues

/// `hostctl call ROLE METHOD [ARG…]`
enum CallCommand {
  /// Beyond the call's own deadline, for the node to say that it has passed.
  private static let graceSeconds = 10

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let role = invocation.arguments[0], method = invocation.arguments[1]
    let timeout = try timeout(invocation)
    let node = invocation.value("on"), given = Array(invocation.arguments.dropFirst(2))
    // What the parameters are is known where the role is.
    let words = node == nil ? try withFiles(given, role, method, invocation) : given
    let seconds = Int((timeout ?? ControlAPI.usualCallMilliseconds) / 1000) + graceSeconds
    let request = CallRequest(.words(words), timeoutMilliseconds: timeout, node: node)
    let answer = try NodeFinder.connect(invocation).ask(.call(role: role, method: method, request), patience: seconds)
    if invocation.has("json") { return try Output.json(answer) }
    guard let value = answer["value"], answer.text("type") != ValueType.nothing.name else { return }
    // Text goes out as it is: it may be the input of another program.
    try Output.write((value.string ?? value.pretty) + "\n")
  }

  private static func timeout(_ invocation: Invocation) throws(CommandFailure) -> Int64? {
    guard let text = invocation.value("timeout") else { return nil }
    guard let number = Int64(text), (1...ControlAPI.longestCallMilliseconds).contains(number) else {
      throw CommandFailure(
        "--timeout is a whole number of milliseconds from 1 to \(ControlAPI.longestCallMilliseconds), not \"\(text)\"",
        code: .usage)
    }
    return number
  }

  /// Puts in the files that `@FILE` stands for. Only the signature tells them from text that begins with an @.
  private static func withFiles(
    _ words: [String], _ role: String, _ method: String, _ invocation: Invocation
  ) throws(CommandFailure) -> [String] {
    guard words.contains(where: { $0.hasPrefix("@") }) else { return words }
    let description = try NodeFinder.connect(invocation).ask(.role(role))
    let parameters = description.list("methods").first { $0.text("name") == method }?.list("parameters") ?? []
    var resolved: [String] = []
    for (place, word) in words.enumerated() {
      let type = place < parameters.count ? parameters[place].text("type") : ""
      guard word.hasPrefix("@"), type == ValueType.bytes.name || type == ValueType.json.name else {
        resolved.append(word)
        continue
      }
      let bytes = try System.read(String(word.dropFirst()), limit: HTTPLimits.body)
      resolved.append(type == ValueType.bytes.name ? Base64.encode(bytes) : String(decoding: bytes, as: UTF8.self))
    }
    return resolved
  }
}
