import Glibc
import HostRuntime

/// A TCP connection of the world, between two processes or from a user outside to one.
///
/// What is sent arrives in order, after a while. A cut holds it up, and when the cut has healed it goes on; only when
/// that takes as long as the system's patience does the sender's end break. What a process leaves open when it dies is
/// closed by its machine, unless that has lost its power: then nobody answers until it is back.
final class Channel {
  enum Piece {
    /// The other side has taken the connection.
    case connected
    case bytes([UInt8])
    /// So much of what was sent has been read.
    case room(Int)
    /// Nothing more will come.
    case end
    case reset
  }

  /// What is on its way from one end to the other.
  private struct Lane {
    var pieces: [(time: Int64, piece: Piece)] = []
    /// When the last of them arrives.
    var last: Int64 = 0
    /// The first of them is held up by a cut.
    var isHeldUp = false
    /// Counts what has come through.
    var arrived = 0
  }

  /// How long the system sends again what is not acknowledged: Linux's fifteen retransmissions.
  private static let patience: Int64 = 924_000_000_000

  private unowned let channels: Channels
  private var world: World { channels.world }
  let client: ChannelEnd
  private(set) var server: ChannelEnd?
  private var lanes = (toServer: Lane(), toClient: Lane())
  /// There was something to say to a machine without power.
  private(set) var isUnanswered = false
  private var isBroken = false

  init(from client: ChannelEnd, _ channels: Channels) {
    (self.client, self.channels) = (client, channels)
    client.channel = self
  }

  /// The other side has it.
  func meet(_ server: ChannelEnd) {
    self.server = server
    server.channel = self
    send(.connected, from: server)
  }

  func other(_ end: ChannelEnd) -> ChannelEnd? { end === client ? server : client }

  private subscript(from end: ChannelEnd) -> Lane {
    get { end === client ? lanes.toServer : lanes.toClient }
    _modify { if end === client { yield &lanes.toServer } else { yield &lanes.toClient } }
  }

  // MARK: On its way

  func send(_ piece: Piece, from end: ChannelEnd) {
    guard other(end) != nil, !isBroken else { return }
    if case .bytes(let bytes) = piece {
      let number = bytes.withUnsafeBytes(Trace.number(of:))
      world.trace.note(.sent, world.now, end.node, number, "sends to \(end.remote): \(Self.words(bytes))")
      if channels.network.breaks() {
        world.trace.note(.lost, world.now, end.node, 0, "the connection to \(end.remote) breaks")
        return breakOff()
      }
    }
    let time = max(world.now + channels.network.takes(), self[from: end].last)
    self[from: end].last = time
    self[from: end].pieces.append((time, piece))
    world.at(time) { [self] in deliver(from: end) }
  }

  private func deliver(from end: ChannelEnd) {
    guard let other = other(end) else { return }
    while let first = self[from: end].pieces.first, first.time <= world.now {
      guard !channels.isCut(end, other) else {
        self[from: end].isHeldUp = true
        return losePatience(end)
      }
      self[from: end].pieces.removeFirst()
      self[from: end].arrived += 1
      arrived(first.piece, at: other, from: end)
    }
  }

  /// A cut is over.
  func goOn() {
    for end in [client, server].compactMap(\.self) {
      guard self[from: end].isHeldUp, let other = other(end), !channels.isCut(end, other) else { continue }
      let time = world.now + channels.network.takes()
      self[from: end].isHeldUp = false
      for place in self[from: end].pieces.indices {
        self[from: end].pieces[place].time = max(time, self[from: end].pieces[place].time)
      }
      self[from: end].last = max(time, self[from: end].last)
      world.at(time) { [self] in deliver(from: end) }
    }
  }

  private func arrived(_ piece: Piece, at end: ChannelEnd, from sender: ChannelEnd) {
    switch (end.state, piece) {
    case (.open, _):
      if case .bytes(let bytes) = piece {
        let number = bytes.withUnsafeBytes(Trace.number(of:))
        world.trace.note(.arrived, world.now, end.node, number, "hears from \(end.remote): \(Self.words(bytes))")
      }
      end.take(piece)
    case (.closed, .bytes):
      // Nobody is there to read it.
      send(.reset, from: end)
    case (.dark, .bytes), (.dark, .end):
      isUnanswered = true
      losePatience(sender)
    case (.closed, _), (.dark, _): break
    }
  }

  /// Without an answer for long enough, the system gives the connection up.
  private func losePatience(_ end: ChannelEnd) {
    let arrived = self[from: end].arrived
    world.after(Self.patience) { [self] in
      if self[from: end].arrived == arrived, end.state == .open { end.broke(ETIMEDOUT) }
    }
  }

  // MARK: The end

  /// It breaks in the middle, and what is on its way is lost.
  private func breakOff() {
    isBroken = true
    lanes = (Lane(), Lane())
    for end in [client, server].compactMap(\.self) {
      world.after(channels.network.takes()) { if end.state == .open { end.broke(ECONNRESET) } }
    }
  }

  /// The machine of an end that lost its power is back, and knows nothing of the connection.
  func machineIsBack(_ end: ChannelEnd) {
    end.forget()
    if isUnanswered { send(.reset, from: end) }
    endIfOver()
  }

  func endIfOver() {
    guard client.state == .closed, server?.state ?? .closed == .closed else { return }
    channels.remove(self)
  }

  /// The first line of a message of HTTP/1.1, or how many bytes there are.
  private static func words(_ bytes: [UInt8]) -> String {
    let line = bytes.prefix(120).prefix { $0 >= 0x20 && $0 < 0x7F }
    guard line.count >= 8, line.endIndex < bytes.count, bytes[line.endIndex] == 0x0D else {
      return "\(bytes.count) bytes"
    }
    return "\(bytes.count) bytes, \(String(decoding: line, as: UTF8.self))"
  }
}
