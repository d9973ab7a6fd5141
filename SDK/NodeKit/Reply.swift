internal import CNodeABI

/// The promise to answer one call. A method that cannot answer at once takes it as a parameter, keeps it, and
/// sends the answer when it has one:
///
///     func later(_ text: String, _ milliseconds: Int, _ reply: Reply<String>) throws {
///       try context.timer.once(after: .milliseconds(milliseconds)) { reply.send(text) }
///     }
///
/// It answers once; further answers are ignored, also when the caller gave up meanwhile. Letting go of it
/// without an answer answers with an error, so that no caller waits in vain.
public final class Reply<Result: MethodValue>: MethodParameter, OpenReply {
  private let call: nh_call
  private let method: String
  private let link: HostLink
  private var isOpen = true
  private var whenCancelled: (() -> Void)?

  init(_ call: nh_call, method: String, _ link: HostLink) {
    self.call = call
    self.method = method
    self.link = link
    link.openReplies[call.handle] = Unowned(reply: self)
  }

  deinit {
    guard isOpen else { return }
    close()
    link.refuse(
      call,
      RoleError(
        .internal, "the role let go of the call of `\(method)` without answering it; keep the Reply until send or fail")
    )
  }

  public func send(_ result: Result) {
    guard close() else { return }
    link.answer(call, result.value, as: Result.valueType)
  }

  public func fail(_ error: any Error) {
    guard close() else { return }
    link.refuse(call, RoleError(error))
  }

  public func fail(_ status: Status, _ message: String) { fail(RoleError(status, message)) }

  /// Runs `body` when the caller gives up or the deadline passes, so that the work can stop. The answer has then
  /// been given already.
  public func onCancel(_ body: @escaping () -> Void) {
    if isOpen { whenCancelled = body }
  }

  /// Whether the caller still waits.
  public var isWaiting: Bool { isOpen }

  /// When the caller stops waiting; nil is never.
  public var deadline: Moment? { call.deadline_ns == 0 ? nil : Moment(nanoseconds: call.deadline_ns) }

  func cancelled() {
    let body = whenCancelled
    if close() { body?() }
  }

  func abandon() { close() }

  @discardableResult
  private func close() -> Bool {
    guard isOpen else { return false }
    isOpen = false
    // Kept until the end of this function: what it holds may reach in here as it goes.
    let held = whenCancelled
    defer { withExtendedLifetime(held) {} }
    whenCancelled = nil
    link.openReplies[call.handle] = nil
    return true
  }

  public static var parameterKind: ParameterKind { .reply(Result.valueType) }
  public static func next(from arguments: inout Arguments) -> Reply { arguments.reply() }
}

extension Reply where Result == Nothing {
  public func send() { send(Nothing()) }
}

/// Any ``Reply`` that is not answered yet.
protocol OpenReply: AnyObject {
  func fail(_ error: any Error)
  func cancelled()
  /// The role is going: nobody is told any more.
  func abandon()
}

/// How the link knows a reply: the role owns it, and its end takes it out of the link's table.
struct Unowned {
  unowned let reply: any OpenReply
}
