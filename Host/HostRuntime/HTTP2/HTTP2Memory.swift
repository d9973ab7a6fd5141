import CHttp2
import Glibc

/// Memory for what nghttp2 notes about streams and frames. A request takes eight small pieces and gives them all back;
/// what was given back is kept here by its size, and taking it again is a few instructions. A connection's own, so only
/// one thread at a time is in it.
final class HTTP2Memory {
  /// Sizes are rounded up to a multiple of this.
  private static let step = 64
  /// Pieces beyond so many steps are rare, and the system's.
  private static let largest = 16
  /// What stands before each piece: how many steps it has, 0 if it is the system's. Keeps pieces aligned.
  private static let header = 16

  /// By steps, the piece that was given back last; in it stands the one before.
  private let kept = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: HTTP2Memory.largest + 1)

  init() { kept.initialize(repeating: nil, count: Self.largest + 1) }

  /// Nothing is in use any more.
  deinit {
    trim()
    kept.deallocate()
  }

  /// Gives back to the system what is not in use.
  func trim() {
    for steps in 1...Self.largest {
      while let piece = kept[steps] {
        kept[steps] = piece.load(as: UnsafeMutableRawPointer?.self)
        Glibc.free(piece - Self.header)
      }
    }
  }

  /// As nghttp2 takes it, for a session that ends before this.
  var functions: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: kept,
      malloc: { HTTP2Memory.take($0, HTTP2Memory.lists($1)) },
      free: { HTTP2Memory.giveBack($0, HTTP2Memory.lists($1)) },
      calloc: { count, size, kept in
        guard let piece = HTTP2Memory.take(count * size, HTTP2Memory.lists(kept)) else { return nil }
        memset(piece, 0, count * size)
        return piece
      },
      realloc: { HTTP2Memory.resize($0, $1, HTTP2Memory.lists($2)) })
  }

  private typealias Lists = UnsafeMutablePointer<UnsafeMutableRawPointer?>

  @inline(__always)
  private static func lists(_ own: UnsafeMutableRawPointer?) -> Lists {
    own!.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
  }

  @inline(__always)
  private static func steps(of piece: UnsafeMutableRawPointer) -> Int { (piece - header).load(as: Int.self) }

  private static func take(_ size: Int, _ kept: Lists) -> UnsafeMutableRawPointer? {
    let needed = max(1, (size + step - 1) / step)
    let steps = needed > largest ? 0 : needed
    if steps > 0, let piece = kept[steps] {
      kept[steps] = piece.load(as: UnsafeMutableRawPointer?.self)
      return piece
    }
    guard let start = Glibc.malloc(header + (steps > 0 ? steps * step : size)) else { return nil }
    start.storeBytes(of: steps, as: Int.self)
    return start + header
  }

  private static func giveBack(_ piece: UnsafeMutableRawPointer?, _ kept: Lists) {
    guard let piece else { return }
    let steps = steps(of: piece)
    guard steps > 0 else { return Glibc.free(piece - header) }
    piece.storeBytes(of: kept[steps], as: UnsafeMutableRawPointer?.self)
    kept[steps] = piece
  }

  private static func resize(
    _ piece: UnsafeMutableRawPointer?, _ size: Int, _ kept: Lists
  ) -> UnsafeMutableRawPointer? {
    guard let piece else { return take(size, kept) }
    let steps = steps(of: piece)
    guard steps > 0 else { return Glibc.realloc(piece - header, header + size).map { $0 + header } }
    guard size > steps * step else { return piece }
    guard let larger = take(size, kept) else { return nil }
    memcpy(larger, piece, steps * step)
    giveBack(piece, kept)
    return larger
  }
}
