import CNodeABI
import HostCore
import HostRuntime

/// The links of one process, as its node sees them.
final class SimLinks: PeerLinks {
  private let services: NodeServices
  private unowned(unsafe) let node: SimNode
  private let loop: EventLoop
  private var desks: [UInt32: PeerDesk] = [:]
  private var isGone = false

  var id: UInt32 { node.id }
  var number: Int { node.number }
  private var network: Network { node.world.network }

  init(_ services: NodeServices, _ loop: EventLoop, of node: SimNode) {
    (self.services, self.loop, self.node) = (services, loop, node)
  }

  func knows(_ peer: UInt32) -> Bool { desks[peer] != nil }

  func adopt(_ peers: [ClusterSettings.Peer]) {
    let others = peers.filter { $0.id != id }
    for gone in desks.keys.sorted() where !others.contains(where: { $0.id == gone }) {
      network.forget(id, gone)
      desks.removeValue(forKey: gone)?.leave()
    }
    var new: [UInt32] = []
    for peer in others where desks[peer.id] == nil {
      desks[peer.id] = PeerDesk(peer, services, loop) { [unowned self] in send(peer.id) }
      new.append(peer.id)
    }
    network.came(self, peers: new)
  }

  // MARK: Out

  private func send(_ peer: UInt32) {
    guard !isGone, let desk = desks[peer], let wire = network.wire(id, peer) else { return }
    desk.pump { lane, bytes in wire.send(bytes, lane: lane, from: id) }
  }

  // MARK: In

  func up(_ peer: UInt32, name: String) {
    node.showClocks()
    desks[peer]?.up(name: name)
  }

  func down(_ peer: UInt32) {
    node.showClocks()
    desks[peer]?.down()
  }

  func take(_ parcel: Parcel) {
    guard let desk = desks[parcel.from] else { return }
    node.showClocks()
    do throws(PeerFault) { try desk.take(parcel.bytes) } catch {
      node.world.fail("links", "\(node.name) does not understand what node \(parcel.from) sent: \(error.words)")
    }
  }

  // MARK: The end

  func end() {
    guard !isGone else { return }
    isGone = true
    for desk in desks.values { desk.leave() }
    network.went(self, says: true)
  }

  /// The process is gone.
  func vanish(says: Bool) {
    guard !isGone else { return }
    isGone = true
    network.went(self, says: says)
    desks = [:]
  }

  // MARK: Control

  func cut(_ cut: PeerCut) -> Bool { false }
  func fill(_ report: inout PeersReport) { report.proof = "simulated" }
}
