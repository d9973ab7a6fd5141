import CNodeABI
import HostCore

/// What comes to the role from other nodes.
extension RoleSeat {
  /// From now on messages and links' events are kept for the role. Before its start, which may ask what is up: what
  /// changes from then on comes as an event.
  func joinPeers() {
    guard inbox == nil else { return }
    let inbox = PeerInbox(self)
    self.inbox = inbox
    node.peers.add(inbox, name)
  }

  func leavePeers() {
    guard let inbox else { return }
    self.inbox = nil
    node.peers.remove(inbox, name)
    inbox.close()
  }
}
