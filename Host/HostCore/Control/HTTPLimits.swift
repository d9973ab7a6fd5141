/// How much of everything the control connection takes before it refuses.
package enum HTTPLimits {
  /// Method, target and version. A control target is short; this leaves room for long role names.
  package static let requestLine = 8 * 1024
  /// All header lines together, trailers included.
  package static let headerBytes = 32 * 1024
  package static let headerCount = 100
  /// A request's body: a configuration, or a call's arguments.
  package static let body = 8 * 1024 * 1024
  /// A chunk's size with its extensions, which nobody uses.
  package static let chunkLine = 256
  /// A client holds a whole JSON answer in memory up to this; logs and metrics are streamed.
  package static let responseBody = 64 * 1024 * 1024
  /// Digits of a Content-Length: enough for any Int, so that adding up cannot overflow.
  static let lengthDigits = 18
}

/// Why a message is not accepted; the connection ends after it.
package struct HTTPRefusal: Error, Sendable, Equatable {
  package var status: Int
  package var reason: String

  package init(_ status: Int, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}
