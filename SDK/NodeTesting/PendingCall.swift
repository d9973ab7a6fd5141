internal import CNodeABI

/// A call that the test made of the role's method.
public final class PendingCall {
  public let method: String
  /// Nil while the role has not answered.
  public internal(set) var result: Result<Value, RoleError>?

  let handle: nh_handle
  let signature: Signature
  var deadline: UInt64?
  weak var host: FakeHost?

  init(_ method: String, _ signature: Signature, _ handle: nh_handle, _ host: FakeHost) {
    self.method = method
    self.signature = signature
    self.handle = handle
    self.host = host
  }

  /// What it answered; throws what it failed with, or that it has not answered yet.
  public func answer<Answer: MethodValue>(as type: Answer.Type = Answer.self) throws -> Answer {
    guard let result else {
      throw RoleError(.unavailable, "\(method) has not answered yet; advance the clock by what it waits for")
    }
    return try Answer(result.get())
  }

  /// Gives the call up, as a caller does that loses patience.
  public func cancel() { host?.cancel(self, RoleError(.cancelled, "the caller gave up")) }
}
