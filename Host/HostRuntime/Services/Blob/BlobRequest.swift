import CNodeABI
import HostCore
import NodeValues

/// What a request about objects tells, from a disk thread.
enum BlobNews: Sendable {
  /// An upload takes bytes; so much of it is on the disk.
  case ready(durable: UInt64)
  case finished(BlobRecord, isDuplicate: Bool)
  /// A part of the buffer's content, which begins at an offset of the object.
  case piece(BlobBuffer, Range<Int>, offset: UInt64)
  /// Some of a list; the rest comes when somebody asks for more.
  case items([JSON])
  case told(JSON)
  case ended
  case failed(BlobFailure)

  var isLast: Bool {
    switch self {
    case .ready, .piece, .items: false
    default: true
    }
  }
}

typealias BlobTeller = @Sendable (BlobNews) -> Void

/// Something that a role has asked about objects and that goes on.
protocol BlobRequest: AnyObject, Sendable {
  /// Nobody listens any more. Of an upload, what is on the disk stays there.
  func letGo()
}

/// What is asked and answered once.
final class BlobQuestion: BlobRequest {
  func letGo() {}
}
