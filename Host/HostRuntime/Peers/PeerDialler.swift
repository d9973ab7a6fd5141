import CSystem
import HostCore

/// Connects to one peer as long as there is no link to it, after ever longer pauses. The links' loop.
final class PeerDialler: TimerTarget {
  /// Holds it.
  private unowned let link: PeerLink
  /// The connection that has not said hello yet.
  private(set) var connection: PeerConnection?
  private var isResolving = false
  private var failures = 0
  private var timer: UInt64?
  private var hub: PeerHub { link.hub }

  init(_ link: PeerLink) { self.link = link }

  func soon(after milliseconds: Int64) {
    guard link.wantsConnection else { return }
    rest()
    let courtesy = link.decides ? 0 : hub.timing.courtesyMilliseconds
    timer = hub.loop.setTimer(after: (milliseconds + courtesy) * 1_000_000, self)
  }

  /// The last attempt came to nothing.
  func again() {
    failures += 1
    soon(after: hub.timing.backoff.delayMilliseconds(failures: failures, random: HostRandom.number))
  }

  /// The next attempt is the first one again.
  func forgetFailures() { failures = 0 }

  /// Until it is told to dial again.
  func rest() {
    if let timer { hub.loop.cancelTimer(timer) }
    timer = nil
  }

  /// The connection is somebody else's by now, or has ended.
  func letGo(of other: PeerConnection) { if connection === other { connection = nil } }

  func timerFired(_ timer: UInt64, token: UInt64) {
    self.timer = nil
    dial()
  }

  private func dial() {
    guard link.wantsConnection, link.greeting.isEmpty, connection == nil, !isResolving else { return }
    isResolving = true
    let reference = link.reference, address = link.address, loop = hub.loop
    // A thread for each: one name that takes minutes holds up no other.
    let thread = OwnThread("resolver") {
      let found = Result { () throws(NetworkFailure) in try SocketAddress.resolve(address) }
      loop.post { reference.link?.dialler.resolved(found) }
    }
    guard let thread else {
      isResolving = false
      return again()
    }
    thread.detach()
  }

  private func resolved(_ found: Result<[SocketAddress], NetworkFailure>) {
    isResolving = false
    guard link.wantsConnection, connection == nil else { return }
    switch found {
    case .failure(let failure): failed(failure)
    case .success(let addresses): connect(to: addresses[failures % addresses.count])
    }
  }

  /// Each attempt tries the next address.
  private func connect(to target: SocketAddress) {
    let descriptor = withUnsafePointer(to: target.raw) { csystem_connect($0) }
    guard descriptor >= 0 else { return failed(.system("cannot connect to \(target)")) }
    let connection = PeerConnection(descriptor, target, dialled: link, hub)
    self.connection = connection
    connection.start()
  }

  private func failed(_ failure: NetworkFailure) {
    link.complain(failure.words, from: nil)
    again()
  }
}
