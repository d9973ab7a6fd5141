/// What is done about one image is done one after the other.
struct Locks {
  /// Those that wait, of images about which something is done.
  private var lines: [ImageID: [() -> Void]] = [:]

  /// True if it may begin at once; else it begins when its turn comes.
  mutating func enter(_ id: ImageID, _ body: @escaping () -> Void) -> Bool {
    if lines[id] == nil {
      lines[id] = []
      return true
    }
    lines[id]!.append(body)
    return false
  }

  /// Who comes next.
  mutating func leave(_ id: ImageID) -> (() -> Void)? {
    guard lines[id]?.isEmpty == false else {
      lines[id] = nil
      return nil
    }
    return lines[id]!.removeFirst()
  }
}

/// The right to do something about an image, until it is given back.
final class Turn {
  private var end: (() -> Void)?

  init(_ end: @escaping () -> Void) { self.end = end }

  func over() {
    let end = end
    self.end = nil
    end?()
  }

  // Whoever forgets it shall not stop all that comes later.
  deinit { end?() }
}
