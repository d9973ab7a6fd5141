internal import NodeKit

/// An upload that the other nodes get while it comes here. They write it down as this node does; when it is whole and
/// was found to be an image, they are told which. What is sent lies in memory, so one that is slow goes on later, and
/// nobody waits for it; one that drops out gets the image as if it had been away.
final class Copying {
  /// Uploads at a time; others are copied when they are whole. All of them leave room in a link's queue.
  static let limit = 16

  private final class Copy {
    let node: Int
    var cursor: BytesCursor
    var sent = 0
    var taken = 0
    var isToldWhole = false
    /// Under which number it is told what it is.
    var sealing: UInt64?
    var touched: Int64

    init(_ node: Int, _ bytes: BytesAtHand, _ now: Int64) {
      (self.node, cursor, touched) = (node, BytesCursor(bytes), now)
    }
  }

  let number: UInt64
  private let term: UInt64
  private let bytes: BytesAtHand
  private let sinks: ImagesNode
  private var copies: [Copy]
  private var isWhole = false
  /// Sent last: most of the time all nodes are at the same place.
  private var last: (offset: Int, chunk: [UInt8], behind: BytesCursor)?

  init(_ sinks: ImagesNode, _ bytes: BytesAtHand, _ format: ImageFormat) {
    (self.sinks, self.bytes, number, term) = (sinks, bytes, sinks.number(), sinks.leadership.term)
    copies = sinks.linked.map { Copy($0, bytes, sinks.now) }
    tellAll(.begin(term: term, number: number, format: format))
  }

  /// More has come, or a node has taken some.
  func goOn() {
    for copy in copies { goOn(copy) }
    if bytes.count == copies.map(\.sent).min() { last = nil }
  }

  private func goOn(_ copy: Copy) {
    do {
      while copy.sent < bytes.count, copy.sent - copy.taken < Sending.window,
        isWhole || bytes.count - copy.sent >= Sending.chunkLimit
      {
        let chunk = next(copy)
        copy.sent += chunk.count - ImageMessage.chunkHead
        copy.touched = sinks.now
        try sinks.context.peers.send(chunk, to: copy.node, priority: .bulk)
      }
      guard isWhole, copy.sent == bytes.count, !copy.isToldWhole else { return }
      copy.isToldWhole = true
      try sinks.send(.whole(number: number, size: UInt64(bytes.count)), to: copy.node, .bulk)
    } catch { stop(copy) }
  }

  private func next(_ copy: Copy) -> [UInt8] {
    if let last, last.offset == copy.sent {
      copy.cursor = last.behind
      return last.chunk
    }
    let chunk = ImageMessage.chunk(number, copy.sent, &copy.cursor, upTo: Sending.chunkLimit)
    last = (copy.sent, chunk, copy.cursor)
    return chunk
  }

  func allHasCome() {
    isWhole = true
    goOn()
  }

  func taken(_ offset: Int, by node: Int) {
    guard let copy = copy(node), offset > copy.taken, offset <= copy.sent else { return }
    (copy.taken, copy.touched) = (offset, sinks.now)
    goOn(copy)
  }

  /// It is this image. False if the node does not get it this way.
  func seal(_ entry: ImageEntry, _ sealing: UInt64, by node: Int) -> Bool {
    guard let copy = copy(node), isWhole, copy.sealing == nil else { return false }
    do {
      try sinks.send(.seal(term: term, copy: number, number: sealing, entry: entry), to: node, .bulk)
    } catch {
      stop(copy)
      return false
    }
    (copy.sealing, copy.touched) = (sealing, sinks.now)
    return true
  }

  // MARK: Its ends

  private func copy(_ node: Int) -> Copy? { copies.first { $0.node == node } }

  /// No node gets anything of it any more.
  var isOver: Bool { copies.isEmpty }

  /// What the nodes still have to answer.
  var sealings: [UInt64] { copies.compactMap(\.sealing) }

  private func tellAll(_ message: ImageMessage) {
    for copy in copies {
      do { try sinks.send(message, to: copy.node, .bulk) } catch { over(copy.node) }
    }
  }

  /// Nothing of it goes to the node any more.
  func over(_ node: Int) {
    copies.removeAll { $0.node == node }
    if copies.isEmpty { sinks.copyings[number] = nil }
  }

  private func stop(_ copy: Copy) {
    try? sinks.send(.stop(number: number), to: copy.node, .bulk)
    over(copy.node)
  }

  /// It became no image: nobody keeps anything of it. Who was told that it is one goes on.
  func end() { for copy in copies where copy.sealing == nil { stop(copy) } }

  func dropSilent(since late: Int64) {
    for copy in copies where copy.touched < late && (copy.sealing != nil || copy.sent > copy.taken) { stop(copy) }
  }
}

extension ImagesNode {
  /// Of an upload that has just turned out to be an image; nil if it goes to no other node yet.
  func copying(_ bytes: BytesAtHand?, _ header: ImageHeader, _ promised: String?) -> Copying? {
    guard let bytes, isSure, !linked.isEmpty, copyings.count < Copying.limit else { return nil }
    // The others have one that is there already, but for those that are being repaired.
    if let known = promised.flatMap({ ImageID($0) }), catalogue.live(known) != nil { return nil }
    let copying = Copying(self, bytes, header.format)
    guard !copying.isOver else { return nil }
    copyings[copying.number] = copying
    return copying
  }
}
