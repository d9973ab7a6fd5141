/// What carries a stream's bytes in the place of a socket that never blocks: a simulated connection.
///
/// Counts below 0 are the system's numbers of errors, negated; -EAGAIN is none at the moment.
package protocol StreamWire: AnyObject {
  /// From now on the stream is told, on its loop, what is possible now and what becomes possible later.
  func attach(_ stream: Stream)
  func detach()
  /// How many bytes were taken.
  func send(_ bytes: UnsafeRawBufferPointer) -> Int
  /// How many bytes came; 0 is the end.
  func receive(into room: UnsafeMutableRawBufferPointer) -> Int
  /// Why it is not connected; 0 if it is.
  var connectError: Int32 { get }
  /// Nothing more will be sent.
  func finish()
  func close()
  /// As through TLS, and what was agreed on there.
  var isSecure: Bool { get }
  var chosenProtocol: String? { get }
}

/// What there is to read and write when a stream is told of it.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static let readable = Readiness(rawValue: 1)
  package static let writable = Readiness(rawValue: 2)
  /// The other side will send no more, or the connection has broken.
  package static let hungUp = Readiness(rawValue: 4)
}
