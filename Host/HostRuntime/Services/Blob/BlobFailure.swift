package import CNodeABI
import Glibc
import HostCore

/// Why something with an object did not succeed, as on_reply tells it.
package struct BlobFailure: Error, Equatable {
  package var status: nh_status
  package var message: String

  init(_ status: nh_status, _ message: String) {
    self.status = status
    self.message = message
  }

  /// A system call on a path has failed with this errno.
  static func system(_ action: String, _ path: String, _ code: Int32 = errno) -> BlobFailure {
    switch code {
    case ENOSPC, EDQUOT:
      BlobFailure(NH_RESOURCE_EXHAUSTED, "the disk is full: cannot \(action) \(path); free some room and go on")
    case EIO: BlobFailure(NH_DATA_LOSS, "the disk fails: cannot \(action) \(path): \(systemError(code))")
    default:
      BlobFailure(NH_UNAVAILABLE, "cannot \(action) \(path): \(systemError(code)); check the node's state folder")
    }
  }

  static func damaged(_ name: BlobName, _ what: String) -> BlobFailure {
    BlobFailure(NH_DATA_LOSS, "the object \(name) is damaged: \(what); upload it again")
  }
}
