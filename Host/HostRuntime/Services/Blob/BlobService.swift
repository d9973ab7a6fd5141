import HostCore
import Synchronization

/// What all of a node's stores share.
package final class BlobService: Sendable {
  let pool = DiskPool()
  let buffers = BlobBuffers()
  private let state: String?
  private let settings: BlobSettings
  private let log: LogHub
  private let stores = Mutex<[String: BlobStore]>([:])

  /// Without a state folder, nothing is kept.
  init(state: String?, _ settings: BlobSettings, _ log: LogHub) {
    self.state = state
    self.settings = settings
    self.log = log
  }

  /// Nil without a state folder. The same one for all builds of a role, and for who looks at it from outside.
  package func store(of role: String) -> BlobStore? {
    guard let state else { return nil }
    return stores.withLock { stores in
      if let store = stores[role] { return store }
      let store = BlobStore(role: role, folder: "\(state)/roles/\(role)/blobs", settings, log)
      stores[role] = store
      return store
    }
  }
}
