import CNodeABI
import HostCore
import HostRuntime

/// A request of the role's own to another server, and what that will do.
struct ScriptedRequest {
  enum Fate: CaseIterable { case refused, answeredWithoutBody, answeredInPieces, brokenOff }

  static let limit = 1024
  /// In the handles that a role gets, to tell them from those of requests that come to it.
  static let mark: UInt64 = 1 << 31
  static let answer = Array("another server says something, in several pieces of a few bytes each".utf8)

  let token: UInt64
  let fate: Fate
  /// The role still sends its body: the other server waits for that.
  var isSending: Bool
  var hasAnswered = false
  var credit = 64 << 10
  /// Of the answer.
  var sent = 0
}

/// The client service: other servers that are there at once and answer as the seed says.
extension ScriptedRole {
  func request(_ asked: nh_client_request, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?) -> nh_handle {
    guard host.permits(.clientRequest, self), HTTPURL(String(asked.url)) != nil else {
      host.lender.text("/url") { place in
        host.lender.text("it is not sent") { _ = nh_fail(error, NH_INVALID_ARGUMENT, place, $0) }
      }
      return 0
    }
    host.record(
      "asks \(String(asked.method)) \(String(asked.url)) \(String(decoding: [UInt8](asked.body), as: UTF8.self))")
    let fates = ScriptedRequest.Fate.allCases
    let fate = fates[Int(host.numbers.next() % UInt64(fates.count))]
    let request = ScriptedRequest(token: token, fate: fate, isSending: asked.streams != 0)
    return host.ownRequests.insert(request).map { $0 ^ ScriptedRequest.mark } ?? 0
  }

  private func withOwn(
    _ function: HostFunction, _ handle: nh_handle, _ body: (inout ScriptedRequest) -> nh_status
  ) -> nh_status {
    guard host.permits(function, self) else { return NH_UNAVAILABLE }
    guard var request = host.ownRequests[handle ^ ScriptedRequest.mark] else { return NH_NOT_FOUND }
    let status = body(&request)
    host.ownRequests[handle ^ ScriptedRequest.mark] = request
    return status
  }

  func writeRequest(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withOwn(.clientWrite, handle) { $0.isSending ? NH_OK : NH_FAILED_PRECONDITION }
  }

  func finishRequest(_ handle: nh_handle) -> nh_status {
    withOwn(.clientFinish, handle) { request in
      defer { request.isSending = false }
      return request.isSending ? NH_OK : NH_FAILED_PRECONDITION
    }
  }

  func cancelRequest(_ handle: nh_handle) -> nh_status {
    guard host.permits(.clientCancel, self) else { return NH_UNAVAILABLE }
    return host.ownRequests.remove(handle ^ ScriptedRequest.mark) == nil ? NH_NOT_FOUND : NH_OK
  }

  func creditRequest(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withOwn(.clientCredit, handle) { request in
      request.credit += Int(min(bytes, 1 << 40))
      return NH_OK
    }
  }

  /// Everything that the other servers would do by now.
  func answerRequests() {
    var deliveries = 0
    while deliveries < ScriptedHost.deliveryLimit,
      let (key, request) = host.ownRequests.elements.first(where: { canMove($0.element) })
    {
      deliveries += 1
      move(request, key)
    }
  }

  private func canMove(_ request: ScriptedRequest) -> Bool {
    !request.isSending && (request.sent == 0 || request.credit > 0 || request.sent == ScriptedRequest.answer.count)
  }

  private func move(_ request: ScriptedRequest, _ key: UInt64) {
    let handle = key ^ ScriptedRequest.mark
    if request.fate == .refused || (request.fate == .brokenOff && request.sent > 0) {
      host.ownRequests.remove(key)
      return deliverHTTP(
        NH_HTTP_FAILED, handle, request.token, status: NH_UNAVAILABLE, message: "as the script says")
    }
    if !request.hasAnswered {
      let ends = request.fate == .answeredWithoutBody
      if ends { host.ownRequests.remove(key) } else { host.ownRequests[key]?.hasAnswered = true }
      return deliverAnswer(ends ? 204 : 200, ends, handle, request.token)
    }
    let piece = Array(ScriptedRequest.answer[request.sent...].prefix(min(16, request.credit)))
    if piece.isEmpty {
      host.ownRequests.remove(key)
      return deliverTrailers([("x-last", "yes")], handle, request.token)
    }
    host.ownRequests[key]?.sent += piece.count
    host.ownRequests[key]?.credit -= piece.count
    deliverHTTP(NH_HTTP_BODY, handle, request.token, body: piece)
  }

  private func deliverAnswer(_ status: UInt32, _ ends: Bool, _ handle: nh_handle, _ token: UInt64) {
    host.lender.pairs([("content-type", "text/plain"), ("x-number", "7")]) { headers in
      var head = newHead()
      (head.status, head.headers, head.ends) = (status, headers, ends ? 1 : 0)
      deliverHTTP(NH_HTTP_RESPONSE, handle, token, head: head)
    }
  }
}
