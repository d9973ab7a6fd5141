import NodeKit

/// Who speaks, by the word that came with the call.
struct Identities {
  enum Speaker: Equatable {
    /// No words are configured, or it has the one that is good for all.
    case anybody
    case node(Int32)
  }

  private var speakers: [String: Speaker] = [:]

  /// Words are looked up by a hash that nobody outside can foretell, so the time that it takes tells nothing of them.
  init(_ settings: GatewaySettings) {
    for (id, word) in settings.tokens {
      if let id = Int32(id) { speakers[word.reveal()] = .node(id) }
    }
    if let word = settings.token { speakers[word.reveal()] = .anybody }
  }

  func speaker(_ call: RpcServerCall) throws(RoleError) -> Speaker {
    if speakers.isEmpty { return .anybody }
    guard let text = call.metadata["authorization"] else {
      throw RoleError(
        .unauthenticated, "this gateway asks for a token: send the metadata `authorization: Bearer TOKEN`")
    }
    let prefix = "bearer "
    guard text.prefix(prefix.count).lowercased() == prefix, let known = speakers[String(text.dropFirst(prefix.count))]
    else {
      throw RoleError(
        .unauthenticated, "the gateway does not know this token; `token` and `tokens` in its configuration list them")
    }
    return known
  }

  /// Lets through who may speak for that node.
  func require(_ id: Int32, _ call: RpcServerCall) throws(RoleError) {
    if speakers.isEmpty { return }
    guard case .node(let own) = try speaker(call), own != id else { return }
    throw RoleError(.permissionDenied, "this token is of node \(own), and may not speak for node \(id)")
  }
}
