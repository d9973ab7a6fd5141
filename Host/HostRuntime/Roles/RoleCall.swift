import CNodeABI
import HostCore
package import NodeValues
import Synchronization

/// How a call ended.
package enum CallOutcome: Sendable, Equatable {
  case value(Value)
  case error(status: Int32, message: String)

  static func failure(_ status: nh_status, _ message: String) -> CallOutcome {
    .error(status: status, message: message)
  }
}

/// A call on its way to a role: made anywhere, run on the role's loop, answered once.
package final class RoleCall: CancellableCall, @unchecked Sendable {
  package let method: PreparedMethod
  let arguments: PackedValues
  /// On the monotonic clock; 0 is never.
  let deadline: Int64
  /// Called once, on the target's loop.
  let completion: @Sendable (CallOutcome) -> Void
  let target: RoleSeat
  /// Keeps the method, which is of the build that served when the call was made.
  private let library: PluginLibrary

  // The target's loop.
  /// Who has taken it, and under which handle.
  var taken: (by: RoleInstance, handle: UInt64)?
  var isCancelled = false

  package init(
    _ target: RoleInstance, _ method: PreparedMethod, _ arguments: PackedValues, deadline: Int64,
    completion: @escaping @Sendable (CallOutcome) -> Void
  ) {
    self.target = target.seat
    library = target.library
    self.method = method
    self.arguments = arguments
    self.deadline = deadline
    self.completion = completion
  }

  /// Sends the call. A full queue answers at once, on this thread.
  package func send() {
    if !target.enqueue({ [self] in begin($0) }) {
      completion(
        .failure(
          NH_RESOURCE_EXHAUSTED,
          "\(target.name) has \(target.limits.queue) calls and events waiting; try later, or raise limits.queue"))
    }
  }

  /// The build may be another than that which served when the call was made.
  func begin(_ role: RoleInstance?) {
    guard let role else { return completion(.failure(NH_UNAVAILABLE, "\(target.name) has stopped")) }
    role.begin(self)
  }

  /// Gives the call up. Its completion still comes, once. Any thread.
  package func cancel() {
    target.loop.post { [self] in
      isCancelled = true
      guard let (role, handle) = taken else { return }
      role.cancelOpen(handle, .failure(NH_CANCELLED, "the caller gave up"))
    }
  }
}

/// A call that a role has taken and not answered yet.
struct OpenCall {
  /// Nil for calls made on the loop itself, which need no request.
  var request: RoleCall?
  var completion: (CallOutcome) -> Void
  /// Lives as long as the role's library; counting it would cost as much as the rest of the entry.
  unowned(unsafe) var method: PreparedMethod
  var deadlineTimer: UInt64?
}

/// A call that a role has made and not got the answer of yet.
struct OutgoingCall {
  var token: UInt64
  var request: (any CancellableCall)?
}

/// A call that can be given up; its completion still comes, once.
protocol CancellableCall: AnyObject {
  func cancel()
}
