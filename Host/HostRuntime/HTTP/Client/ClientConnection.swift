import CNodeABI
import HostCore

/// A connection to another server, whatever version of HTTP it speaks, on its origin's loop.
///
/// It tells its exchanges what comes (`began`, `headCame`, `bodyCame`, `answerEnded`, `drained`, `broke`) and its
/// origin when it has room for more exchanges or has ended.
protocol ClientConnection: AnyObject {
  /// How many more exchanges it would take now.
  var room: Int { get }
  var isIdle: Bool { get }
  /// For the origin, which notes here whether it has the connection in its list of those with room.
  var isListed: Bool { get set }

  /// Sends the exchange's head and tells it that it has begun; called only with room.
  func begin(_ exchange: ClientExchange)
  /// Whether more of the request's body should be sent now; if not, it will tell `drained`.
  func canSend(_ exchange: ClientExchange) -> Bool
  /// A piece of the request's body, also while it should not be.
  func send(_ exchange: ClientExchange, _ bytes: UnsafeRawBufferPointer)
  /// The request is whole.
  func sendEnd(_ exchange: ClientExchange, _ trailers: MessageHead?)
  /// The exchange's credit has grown.
  func granted(_ exchange: ClientExchange)
  /// Nobody waits for the exchange any more; it is told nothing further.
  func cancel(_ exchange: ClientExchange)
  /// Once a second.
  func tick(_ now: Int64)
  /// Ends now; exchanges that are under way break.
  func close()
}

/// Why a request has failed.
struct ClientFailure: Error, Sendable {
  /// NH_DEADLINE_EXCEEDED: too slow. NH_RESOURCE_EXHAUSTED: a limit of our own. Else NH_UNAVAILABLE or what fits
  /// better.
  var status: nh_status
  var words: String
  /// The other side has certainly not acted on it, so it may be sent again.
  var hadNoEffect: Bool
}
