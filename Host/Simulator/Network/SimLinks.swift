import CNodeABI
import HostCore
import HostRuntime

/// The links of one process, as its node sees them.
final class SimLinks: PeerLinks {
  private let services: NodeServices
  private unowned(unsafe) let node: SimNode
  private let loop: EventLoop
  private var sides: [UInt32: Side] = [:]
  private var isGone = false

  private struct Side {
    let desk: PeerDesk
    // Once something was sent; the network keeps its wires.
    unowned(unsafe) var wire: Wire?
  }

  var id: UInt32 { node.id }
  var number: Int { node.number }
  private var network: Network { node.world.network }

  init(_ services: NodeServices, _ loop: EventLoop, of node: SimNode) {
    (self.services, self.loop, self.node) = (services, loop, node)
  }

  func knows(_ peer: UInt32) -> Bool { sides[peer] != nil }

  func adopt(_ peers: [ClusterSettings.Peer]) {
    let others = peers.filter { $0.id != id }
    for gone in sides.keys.sorted() where !others.contains(where: { $0.id == gone }) {
      network.forget(id, gone)
      sides.removeValue(forKey: gone)?.desk.leave()
    }
    var new: [UInt32] = []
    for peer in others where sides[peer.id] == nil {
      sides[peer.id] = Side(desk: PeerDesk(peer, services, loop) { [unowned self] in send(peer.id) })
      new.append(peer.id)
    }
    network.came(self, peers: new)
  }

  // MARK: Out

  private func send(_ peer: UInt32) {
    guard !isGone, let side = sides[peer], let wire = side.wire ?? wire(to: peer) else { return }
    side.desk.pump { lane, bytes in wire.send(bytes, lane: lane, from: id) }
  }

  private func wire(to peer: UInt32) -> Wire? {
    let wire = network.wire(id, peer)
    sides[peer]?.wire = wire
    return wire
  }

  // MARK: In

  func up(_ peer: UInt32, name: String) {
    node.showClocks()
    sides[peer]?.desk.up(name: name)
  }

  func down(_ peer: UInt32) {
    node.showClocks()
    sides[peer]?.desk.down()
  }

  func take(_ parcel: Parcel) {
    guard let desk = sides[parcel.from]?.desk else { return }
    node.showClocks()
    do throws(PeerFault) { try desk.take(parcel.bytes) } catch {
      node.world.fail("links", "\(node.name) does not understand what node \(parcel.from) sent: \(error.words)")
    }
  }

  // MARK: The end

  func end() {
    guard !isGone else { return }
    isGone = true
    for side in sides.values { side.desk.leave() }
    network.went(self, says: true)
  }

  /// The process is gone.
  func vanish(says: Bool) {
    guard !isGone else { return }
    isGone = true
    network.went(self, says: says)
    sides = [:]
  }

  // MARK: Control

  func cut(_ cut: PeerCut) -> Bool { false }
  func fill(_ report: inout PeersReport) { report.proof = "simulated" }
}
