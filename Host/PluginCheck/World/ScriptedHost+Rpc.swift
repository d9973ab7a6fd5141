import CNodeABI
import HostCore

/// Callers of the role's methods of gRPC, who ask, read, wait and give up as a case has made them; and the servers that
/// the role calls itself: those send every message back, and each third of them cannot be reached.
extension ScriptedHost {
  static let talkLimit = 4096
  /// The other server's answer to this many messages may be unread.
  private static let serverRoom = 16
  /// So often a caller reads on; one with more to come has heard enough.
  private static let pauseLimit = 3

  /// A call of gRPC that is not over.
  struct Talk {
    let path: String
    let token: UInt64
    let isRolesOwn: Bool
    /// When its caller gives up.
    let deadline: Int64
    /// Messages for the role, in their order.
    var toRole: [[UInt8]]
    /// No other message for the role follows those.
    var hasSaidAll: Bool
    /// So many messages of the role's are taken before they are read.
    var room: Int
    /// The caller gives up without an answer.
    var isAbandoned = false
    /// Messages that the role asks for.
    var wanted = 1
    var endWasTold = false
    var beginningWasTold = false
    var written = 0
    var unread = 0
    var wantsToSend = false
    var pauses = 0
    /// It ends at the next opportunity, so.
    var breaks: (status: nh_status, words: String)?
  }

  /// Calls a method that the role serves.
  func call(_ made: MadeTalk, on route: Route, _ role: ScriptedRole) {
    let talk = Talk(
      path: made.path, token: route.token, isRolesOwn: false, deadline: clock + Self.callTimeout,
      toRole: made.messages, hasSaidAll: true, room: made.room, isAbandoned: made.isAbandoned)
    guard let handle = talks.insert(talk) else { return }
    record("\(talk.path) is called")
    role.deliverTalk(made, handle, route.token, deadline: talk.deadline)
    takeInbox()
  }

  /// A call of the role's own; 0 if it has too many.
  func openTalk(_ path: String, _ token: UInt64, first: [[UInt8]], ends: Bool, timeout: Int64) -> UInt64 {
    ownTalks += 1
    let patience = timeout > 0 ? min(timeout, Self.callTimeout) : Self.callTimeout
    var talk = Talk(
      path: path, token: token, isRolesOwn: true, deadline: clock + patience, toRole: first, hasSaidAll: ends,
      room: Self.serverRoom)
    if ownTalks.isMultiple(of: 3) { talk.breaks = (NH_UNAVAILABLE, "the other server cannot be reached") }
    return talks.insert(talk) ?? 0
  }

  /// Every open call goes as far as its two sides let it.
  func moveTalks(_ role: ScriptedRole) {
    var rounds = 0
    var hasMoved = true
    while hasMoved, talks.count > 0, rounds < Self.deliveryLimit {
      hasMoved = false
      rounds += 1
      for (handle, _) in talks.elements where move(handle, role) { hasMoved = true }
    }
  }

  /// Whether something has happened to it.
  private func move(_ handle: nh_handle, _ role: ScriptedRole) -> Bool {
    guard var talk = talks[handle] else { return false }
    if talk.deadline <= clock, talk.breaks == nil {
      talk.breaks = (NH_DEADLINE_EXCEEDED, "the caller has waited long enough")
    }
    if let (status, words) = talk.breaks {
      endTalk(handle, "breaks off")
      role.deliverRpc(NH_RPC_END, handle, talk.token, status: status, message: words)
      return true
    }
    guard let kind = next(&talk) else { return false }
    talks[handle] = talk
    switch kind {
    case .metadata: role.deliverRpcMetadata([("x-server", "echo")], handle, talk.token)
    case .message(let bytes): role.deliverRpc(NH_RPC_MESSAGE, handle, talk.token, payload: bytes)
    case .halfClose: role.deliverRpc(NH_RPC_HALF_CLOSE, handle, talk.token)
    case .writable: role.deliverRpc(NH_RPC_WRITABLE, handle, talk.token)
    case .ending:
      endTalk(handle, "ends well")
      role.deliverRpc(NH_RPC_END, handle, talk.token)
    case .nothing: break
    }
    return true
  }

  private enum Move { case metadata, message([UInt8]), halfClose, writable, ending, nothing }

  private func next(_ talk: inout Talk) -> Move? {
    if talk.isRolesOwn, !talk.beginningWasTold {
      talk.beginningWasTold = true
      return .metadata
    }
    if !talk.toRole.isEmpty, talk.wanted > 0 {
      talk.wanted -= 1
      if talk.isRolesOwn { talk.unread -= min(talk.unread, 1) }
      return .message(talk.toRole.removeFirst())
    }
    if talk.isAbandoned {
      talk.breaks = (NH_CANCELLED, "the caller has given up")
      return .nothing
    }
    if talk.toRole.isEmpty, talk.hasSaidAll, !talk.endWasTold {
      talk.endWasTold = true
      return talk.isRolesOwn ? .ending : .halfClose
    }
    if talk.wantsToSend, !talk.isRolesOwn || talk.unread < talk.room {
      talk.wantsToSend = false
      guard !talk.isRolesOwn else { return .writable }
      talk.unread = 0
      talk.pauses += 1
      if talk.pauses > Self.pauseLimit { talk.breaks = (NH_CANCELLED, "the caller has heard enough") }
      return .writable
    }
    return nil
  }

  func endTalk(_ handle: nh_handle, _ words: String) {
    guard let talk = talks.remove(handle) else { return }
    record("\(talk.path) \(words) after \(talk.written) messages of the role's")
  }
}
