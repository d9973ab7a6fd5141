import HostCore

/// A node on another machine, and what it takes to be let in there.
struct RemoteNode {
  /// Longer is no token.
  private static let tokenLimit = 4 << 10

  var address: Endpoint
  var token: String
  /// Whose certificates are believed, if not those that the system trusts.
  var authority: String?
  /// A certificate and its key in one file, for a node that asks for one.
  var identity: String?

  /// The one that --at names, or the environment.
  init(_ text: String, _ invocation: Invocation) throws(CommandFailure) {
    guard let address = Endpoint(text), address.port > 0 else {
      throw CommandFailure("--at takes host:port, such as node-b:7400, and not \"\(text)\"", code: .usage)
    }
    self.address = address
    token = try Self.token(invocation)
    authority = invocation.value("authority") ?? System.set("NODEHOST_AUTHORITY")
    identity = invocation.value("identity") ?? System.set("NODEHOST_IDENTITY")
  }

  private static func token(_ invocation: Invocation) throws(CommandFailure) -> String {
    let text: String
    if let path = invocation.value("token") {
      text = String(decoding: try System.read(path, limit: tokenLimit), as: UTF8.self)
    } else if let value = System.set("NODEHOST_TOKEN") {
      text = value
    } else {
      throw CommandFailure(
        "a node on another machine wants its token",
        remedy: "Give the file with it, the one of control.token there: --token FILE, or set NODEHOST_TOKEN to it.",
        code: .usage)
    }
    var letters = Array(text.utf8)[...]
    while letters.last == UInt8(ascii: "\n") || letters.last == UInt8(ascii: "\r") { letters.removeLast() }
    guard !letters.isEmpty, letters.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw CommandFailure("the token is empty, or has characters that no token has", code: .usage)
    }
    return String(decoding: letters, as: UTF8.self)
  }
}
